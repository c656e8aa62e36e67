/* Pairs of documents that have much in common: every pair is compared, as a textbook writes it. */
#include "kernels.h"

#include <stdlib.h>

/* Different shingles of a document; one number for each, since a token has 20 bits. */
static int shingles_of(int64_t *to, const int32_t *tokens, int length) {
    int count = 0;
    for (int at = 0; at + SHINGLE <= length; at++) {
        int64_t each = 0;
        for (int i = 0; i < SHINGLE; i++) each = each << 20 | tokens[at + i];
        int seen = 0;
        while (seen < count && to[seen] != each) seen++;
        if (seen == count) to[count++] = each;
    }
    return count;
}

static int in_common(const int64_t *one, int one_count, const int64_t *other, int other_count) {
    int common = 0;
    for (int i = 0; i < one_count; i++)
        for (int j = 0; j < other_count; j++)
            if (one[i] == other[j]) common++;
    return common;
}

void neardup(int documents, int percent, const int32_t *starts, const int32_t *tokens, int32_t *found) {
    int64_t *shingles = malloc(sizeof(int64_t) * (starts[documents] + 1));
    int *count = malloc(sizeof(int) * documents), pairs = 0;
    for (int i = 0; i < documents; i++)
        count[i] = shingles_of(shingles + starts[i], tokens + starts[i], starts[i + 1] - starts[i]);
    for (int i = 0; i < documents; i++)
        for (int j = i + 1; j < documents; j++) {
            int common = in_common(shingles + starts[i], count[i], shingles + starts[j], count[j]);
            int both = count[i] + count[j] - common;
            if (both > 0 && 100 * common >= percent * both) {
                found[1 + 2 * pairs] = i;
                found[2 + 2 * pairs] = j;
                pairs++;
            }
        }
    found[0] = pairs;
    free(shingles);
    free(count);
}

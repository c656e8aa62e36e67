/* The worker: one call is one kernel on one set of inputs, each array on a boundary of 64 bytes. Protected. */
#include "kernels.h"
#include "rsi_worker.h"

static const void *taken(const unsigned char **at, int64_t count, size_t size) {
    const void *here = *at;
    *at += ((size_t)count * size + 63) / 64 * 64;
    return here;
}

static void *given(unsigned char **at, int64_t count, size_t size) {
    void *here = *at;
    *at += ((size_t)count * size + 63) / 64 * 64;
    return here;
}

#define IN(type, count) ((const type *)taken(&in, count, sizeof(type)))
#define OUT(type, count) ((type *)given(&out, count, sizeof(type)))

static int64_t work(const int64_t words[RSI_WORDS], const unsigned char *in, unsigned char *out) {
    const int64_t *n = words + 1;
    if (words[0] == 0) {
        const int8_t *a = IN(int8_t, n[0] * n[2]), *b = IN(int8_t, n[2] * n[1]);
        qmm((int)n[0], (int)n[1], (int)n[2], a, b, OUT(int32_t, n[0] * n[1]));
    } else if (words[0] == 1) {
        int64_t size = n[0] * n[1] * n[2];
        const float *q = IN(float, size), *k = IN(float, size), *v = IN(float, size), *dout = IN(float, size);
        float *y = OUT(float, size), *dq = OUT(float, size), *dk = OUT(float, size), *dv = OUT(float, size);
        attn((int)n[0], (int)n[1], (int)n[2], q, k, v, dout, y, dq, dk, dv);
    } else if (words[0] == 2) {
        const float *x = IN(float, n[0] * n[1]), *scale = IN(float, n[1]), *shift = IN(float, n[1]);
        const float *w = IN(float, n[2] * n[1]);
        const int32_t *targets = IN(int32_t, n[0]);
        float *losses = OUT(float, n[0]), *dx = OUT(float, n[0] * n[1]), *dscale = OUT(float, n[1]);
        float *dshift = OUT(float, n[1]), *dw = OUT(float, n[2] * n[1]);
        xent((int)n[0], (int)n[1], (int)n[2], x, scale, shift, w, targets, losses, dx, dscale, dshift, dw);
    } else if (words[0] == 3) {
        Model model = {(int)n[0], (int)n[1], (int)n[2], (int)n[3], (int)n[4]};
        const float *weights = IN(float, n[8]);
        const int32_t *prompts = IN(int32_t, n[5] * n[6]);
        decode(&model, (int)n[5], (int)n[6], (int)n[7], weights, prompts, OUT(int32_t, n[5] * n[7]));
    } else {
        const int32_t *starts = IN(int32_t, n[0] + 1), *tokens = IN(int32_t, n[2]);
        neardup((int)n[0], (int)n[1], starts, tokens, (int32_t *)out);
    }
    return 0;
}

int main(void) { return rsi_work(work); }

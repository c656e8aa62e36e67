/* The product of two matrices of 8-bit numbers, as a textbook writes it. */
#include "kernels.h"

void qmm(int m, int n, int k, const int8_t *a, const int8_t *b, int32_t *c) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            int32_t sum = 0;
            for (int p = 0; p < k; p++) sum += a[i * k + p] * b[p * n + j];
            c[i * n + j] = sum;
        }
}

/* What the five kernels have to do; protected. See INTERFACE.md for the mathematics. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>

#define NORM_EPSILON 1e-5f
#define SHINGLE 3

/* c (m, n) = a (m, k) b (k, n), exactly. */
void qmm(int m, int n, int k, const int8_t *a, const int8_t *b, int32_t *c);

/* Causal attention and its gradients; everything is (heads, length, size). */
void attn(int heads, int length, int size, const float *q, const float *k, const float *v, const float *dout,
          float *out, float *dq, float *dk, float *dv);

/* Layer norm of x (rows, width), scores against w (vocabulary, width), the loss of each row; gradients of the mean loss. */
void xent(int rows, int width, int vocabulary, const float *x, const float *scale, const float *shift, const float *w,
          const int32_t *targets, float *losses, float *dx, float *dscale, float *dshift, float *dw);

typedef struct {
    int vocabulary, length, width, layers, heads;
} Model;

/* The `count` tokens that follow each prompt (batch, prompt), the likeliest each time: (batch, count). */
void decode(const Model *model, int batch, int prompt, int count, const float *weights, const int32_t *prompts,
            int32_t *tokens);

/* Document i is tokens[starts[i]] to tokens[starts[i + 1] - 1], tokens are below 2^20. Writes the number of pairs, then
 * each pair (i, j) with i < j, ordered, whose sets of shingles have `percent` of their union in common, or more. */
void neardup(int documents, int percent, const int32_t *starts, const int32_t *tokens, int32_t *found);

#endif

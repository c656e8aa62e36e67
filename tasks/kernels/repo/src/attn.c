/* Causal attention and its gradients, with the whole matrix of shares, as a textbook writes it. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>

/* Share of each earlier position in each position: softmax of the scores. */
static void shares_of(float *shares, const float *q, const float *k, int length, int size, float scale) {
    for (int t = 0; t < length; t++) {
        float *row = shares + t * length;
        float top = -INFINITY, sum = 0.0f;
        for (int u = 0; u <= t; u++) {
            float dot = 0.0f;
            for (int i = 0; i < size; i++) dot += q[t * size + i] * k[u * size + i];
            row[u] = dot * scale;
        }
        for (int u = 0; u <= t; u++)
            if (row[u] > top) top = row[u];
        for (int u = 0; u <= t; u++) row[u] = expf(row[u] - top);
        for (int u = 0; u <= t; u++) sum += row[u];
        for (int u = 0; u <= t; u++) row[u] /= sum;
    }
}

/* Gradient of each score, through the softmax. */
static void scores_back(float *dscores, const float *shares, const float *v, const float *dout, int length, int size) {
    for (int t = 0; t < length; t++) {
        float along = 0.0f;
        for (int u = 0; u <= t; u++) {
            float dot = 0.0f;
            for (int i = 0; i < size; i++) dot += dout[t * size + i] * v[u * size + i];
            dscores[t * length + u] = dot;
            along += dot * shares[t * length + u];
        }
        for (int u = 0; u <= t; u++)
            dscores[t * length + u] = shares[t * length + u] * (dscores[t * length + u] - along);
    }
}

static void one_head(int length, int size, const float *q, const float *k, const float *v, const float *dout,
                     float *out, float *dq, float *dk, float *dv, float *shares, float *dscores) {
    float scale = 1.0f / sqrtf((float)size);
    shares_of(shares, q, k, length, size, scale);
    scores_back(dscores, shares, v, dout, length, size);
    for (int t = 0; t < length; t++)
        for (int i = 0; i < size; i++) {
            float mixed = 0.0f, back = 0.0f;
            for (int u = 0; u <= t; u++) {
                mixed += shares[t * length + u] * v[u * size + i];
                back += dscores[t * length + u] * k[u * size + i];
            }
            out[t * size + i] = mixed;
            dq[t * size + i] = back * scale;
        }
    for (int u = 0; u < length; u++)
        for (int i = 0; i < size; i++) {
            float dkey = 0.0f, dvalue = 0.0f;
            for (int t = u; t < length; t++) {
                dkey += dscores[t * length + u] * q[t * size + i];
                dvalue += shares[t * length + u] * dout[t * size + i];
            }
            dk[u * size + i] = dkey * scale;
            dv[u * size + i] = dvalue;
        }
}

void attn(int heads, int length, int size, const float *q, const float *k, const float *v, const float *dout,
          float *out, float *dq, float *dk, float *dv) {
    float *shares = malloc(sizeof(float) * length * length), *dscores = malloc(sizeof(float) * length * length);
    for (int h = 0; h < heads; h++) {
        int at = h * length * size;
        one_head(length, size, q + at, k + at, v + at, dout + at, out + at, dq + at, dk + at, dv + at, shares, dscores);
    }
    free(shares);
    free(dscores);
}

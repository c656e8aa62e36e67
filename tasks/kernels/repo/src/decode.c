/* Greedy decoding of a small language model; every new token computes the whole text again, as a textbook writes it. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>

/* A layer's weights, in their order in memory. */
typedef struct {
    const float *scale1, *shift1, *qkv, *qkv_bias, *out, *out_bias, *scale2, *shift2, *up, *up_bias, *down, *down_bias;
} Layer;

static Layer layer_at(const float *at, int d) {
    Layer layer;
    layer.scale1 = at;
    layer.shift1 = layer.scale1 + d;
    layer.qkv = layer.shift1 + d;
    layer.qkv_bias = layer.qkv + 3 * d * d;
    layer.out = layer.qkv_bias + 3 * d;
    layer.out_bias = layer.out + d * d;
    layer.scale2 = layer.out_bias + d;
    layer.shift2 = layer.scale2 + d;
    layer.up = layer.shift2 + d;
    layer.up_bias = layer.up + 4 * d * d;
    layer.down = layer.up_bias + 4 * d;
    layer.down_bias = layer.down + 4 * d * d;
    return layer;
}

static size_t layer_size(int d) { return (size_t)12 * d * d + 13 * d; }

static void norm(float *y, const float *x, const float *scale, const float *shift, int d) {
    float mean = 0.0f, variance = 0.0f;
    for (int i = 0; i < d; i++) mean += x[i];
    mean /= d;
    for (int i = 0; i < d; i++) variance += (x[i] - mean) * (x[i] - mean);
    float inverse = 1.0f / sqrtf(variance / d + NORM_EPSILON);
    for (int i = 0; i < d; i++) y[i] = (x[i] - mean) * inverse * scale[i] + shift[i];
}

static void linear(float *y, const float *x, const float *w, const float *bias, int in, int out) {
    for (int o = 0; o < out; o++) {
        float sum = bias ? bias[o] : 0.0f;
        for (int i = 0; i < in; i++) sum += x[i] * w[o * in + i];
        y[o] = sum;
    }
}

static float gelu(float x) { return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x))); }

/* What position t takes from itself and the positions before; rows of qkv are (query, key, value). */
static void attend(float *y, float *shares, const float *qkv, int t, int d, int heads) {
    int size = d / heads;
    for (int h = 0; h < heads; h++) {
        const float *q = qkv + t * 3 * d + h * size;
        float top = -INFINITY, sum = 0.0f;
        for (int u = 0; u <= t; u++) {
            const float *k = qkv + u * 3 * d + d + h * size;
            float dot = 0.0f;
            for (int i = 0; i < size; i++) dot += q[i] * k[i];
            shares[u] = dot / sqrtf((float)size);
            if (shares[u] > top) top = shares[u];
        }
        for (int u = 0; u <= t; u++) sum += shares[u] = expf(shares[u] - top);
        for (int i = 0; i < size; i++) {
            float mixed = 0.0f;
            for (int u = 0; u <= t; u++) mixed += shares[u] * qkv[u * 3 * d + 2 * d + h * size + i];
            y[h * size + i] = mixed / sum;
        }
    }
}

/* The token that follows a text. */
static int next_token(const Model *m, const float *weights, const int32_t *text, int length) {
    int d = m->width;
    const float *embedding = weights, *position = embedding + (size_t)m->vocabulary * d;
    const float *layers = position + (size_t)m->length * d, *last = layers + m->layers * layer_size(d);
    float *x = malloc(sizeof(float) * length * d), *qkv = malloc(sizeof(float) * length * 3 * d);
    float *y = malloc(sizeof(float) * 4 * d), *z = malloc(sizeof(float) * 4 * d);
    float *shares = malloc(sizeof(float) * length);
    for (int t = 0; t < length; t++)
        for (int i = 0; i < d; i++) x[t * d + i] = embedding[(size_t)text[t] * d + i] + position[t * d + i];
    for (int l = 0; l < m->layers; l++) {
        Layer layer = layer_at(layers + l * layer_size(d), d);
        for (int t = 0; t < length; t++) {
            norm(y, x + t * d, layer.scale1, layer.shift1, d);
            linear(qkv + t * 3 * d, y, layer.qkv, layer.qkv_bias, d, 3 * d);
        }
        for (int t = 0; t < length; t++) {
            attend(y, shares, qkv, t, d, m->heads);
            linear(z, y, layer.out, layer.out_bias, d, d);
            for (int i = 0; i < d; i++) x[t * d + i] += z[i];
        }
        for (int t = 0; t < length; t++) {
            norm(y, x + t * d, layer.scale2, layer.shift2, d);
            linear(z, y, layer.up, layer.up_bias, d, 4 * d);
            for (int i = 0; i < 4 * d; i++) z[i] = gelu(z[i]);
            linear(y, z, layer.down, layer.down_bias, 4 * d, d);
            for (int i = 0; i < d; i++) x[t * d + i] += y[i];
        }
    }
    norm(y, x + (length - 1) * d, last, last + d, d);
    float top = -INFINITY;
    int best = 0;
    for (int j = 0; j < m->vocabulary; j++) {
        float score;
        linear(&score, y, last + 2 * d + (size_t)j * d, NULL, d, 1);
        if (score > top) {
            top = score;
            best = j;
        }
    }
    free(x);
    free(qkv);
    free(y);
    free(z);
    free(shares);
    return best;
}

void decode(const Model *model, int batch, int prompt, int count, const float *weights, const int32_t *prompts,
            int32_t *tokens) {
    int32_t *text = malloc(sizeof(int32_t) * (prompt + count));
    for (int b = 0; b < batch; b++) {
        for (int t = 0; t < prompt; t++) text[t] = prompts[b * prompt + t];
        for (int t = 0; t < count; t++)
            tokens[b * count + t] = text[prompt + t] = next_token(model, weights, text, prompt + t);
    }
    free(text);
}

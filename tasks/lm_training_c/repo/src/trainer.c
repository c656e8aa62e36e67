/* A transformer language model and its training, as a textbook writes it. */
#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* y = x W^T + b, where x is (n, in) and W is (out, in). */
static void linear_forward(float *y, const float *x, const float *w, const float *b, int n, int in, int out) {
    for (int i = 0; i < n; i++)
        for (int o = 0; o < out; o++) {
            float sum = b ? b[o] : 0.0f;
            for (int k = 0; k < in; k++) sum += x[i * in + k] * w[o * in + k];
            y[i * out + o] = sum;
        }
}

/* dx = dy W; dW += dy^T x; db += the sum of dy. */
static void linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
                            int n, int in, int out) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < in; k++) {
            float sum = 0.0f;
            for (int o = 0; o < out; o++) sum += dy[i * out + o] * w[o * in + k];
            dx[i * in + k] = sum;
        }
    for (int i = 0; i < n; i++)
        for (int o = 0; o < out; o++) {
            float d = dy[i * out + o];
            if (db) db[o] += d;
            for (int k = 0; k < in; k++) dw[o * in + k] += d * x[i * in + k];
        }
}

static void norm_forward(float *y, float *mean, float *inverse, const float *x, const float *scale,
                         const float *shift, int n, int d) {
    for (int i = 0; i < n; i++) {
        float m = 0.0f, v = 0.0f;
        for (int k = 0; k < d; k++) m += x[i * d + k];
        m /= d;
        for (int k = 0; k < d; k++) v += (x[i * d + k] - m) * (x[i * d + k] - m);
        float s = 1.0f / sqrtf(v / d + NORM_EPSILON);
        for (int k = 0; k < d; k++) y[i * d + k] = (x[i * d + k] - m) * s * scale[k] + shift[k];
        mean[i] = m;
        inverse[i] = s;
    }
}

/* dx += the gradient through the norm. */
static void norm_backward(float *dx, float *dscale, float *dshift, const float *dy, const float *x,
                          const float *scale, const float *mean, const float *inverse, int n, int d) {
    for (int i = 0; i < n; i++) {
        float a = 0.0f, b = 0.0f;
        for (int k = 0; k < d; k++) {
            float unit = (x[i * d + k] - mean[i]) * inverse[i], g = dy[i * d + k] * scale[k];
            a += g;
            b += g * unit;
            dscale[k] += dy[i * d + k] * unit;
            dshift[k] += dy[i * d + k];
        }
        a /= d;
        b /= d;
        for (int k = 0; k < d; k++) {
            float unit = (x[i * d + k] - mean[i]) * inverse[i];
            dx[i * d + k] += (dy[i * d + k] * scale[k] - a - unit * b) * inverse[i];
        }
    }
}

/* Causal attention of all heads; `shares` is (batch, heads, length, length). */
static void attention_forward(float *y, float *shares, const float *qkv, const Shape *s) {
    int t_max = s->length, d = s->width, h_max = s->heads, size = d / h_max;
    float scale = 1.0f / sqrtf((float)size);
    for (int b = 0; b < s->batch; b++)
        for (int h = 0; h < h_max; h++)
            for (int t = 0; t < t_max; t++) {
                const float *q = qkv + (b * t_max + t) * 3 * d + h * size;
                float *row = shares + ((b * h_max + h) * t_max + t) * t_max;
                float top = -INFINITY, sum = 0.0f;
                for (int u = 0; u <= t; u++) {
                    const float *k = qkv + (b * t_max + u) * 3 * d + d + h * size;
                    float dot = 0.0f;
                    for (int i = 0; i < size; i++) dot += q[i] * k[i];
                    row[u] = dot * scale;
                    if (row[u] > top) top = row[u];
                }
                for (int u = 0; u <= t; u++) sum += row[u] = expf(row[u] - top);
                for (int u = 0; u < t_max; u++) row[u] = u <= t ? row[u] / sum : 0.0f;
                float *out = y + (b * t_max + t) * d + h * size;
                for (int i = 0; i < size; i++) {
                    float mixed = 0.0f;
                    for (int u = 0; u <= t; u++) mixed += row[u] * qkv[(b * t_max + u) * 3 * d + 2 * d + h * size + i];
                    out[i] = mixed;
                }
            }
}

static void attention_backward(float *dqkv, const float *dy, const float *shares, const float *qkv, const Shape *s) {
    int t_max = s->length, d = s->width, h_max = s->heads, size = d / h_max;
    float scale = 1.0f / sqrtf((float)size);
    float *dshare = malloc(sizeof(float) * t_max);
    memset(dqkv, 0, sizeof(float) * s->batch * t_max * 3 * d);
    for (int b = 0; b < s->batch; b++)
        for (int h = 0; h < h_max; h++)
            for (int t = 0; t < t_max; t++) {
                const float *row = shares + ((b * h_max + h) * t_max + t) * t_max;
                const float *dout = dy + (b * t_max + t) * d + h * size;
                const float *q = qkv + (b * t_max + t) * 3 * d + h * size;
                float *dq = dqkv + (b * t_max + t) * 3 * d + h * size;
                float along = 0.0f;
                for (int u = 0; u <= t; u++) {
                    const float *v = qkv + (b * t_max + u) * 3 * d + 2 * d + h * size;
                    float *dv = dqkv + (b * t_max + u) * 3 * d + 2 * d + h * size;
                    float dot = 0.0f;
                    for (int i = 0; i < size; i++) {
                        dot += dout[i] * v[i];
                        dv[i] += row[u] * dout[i];
                    }
                    dshare[u] = dot;
                    along += dot * row[u];
                }
                for (int u = 0; u <= t; u++) {
                    const float *k = qkv + (b * t_max + u) * 3 * d + d + h * size;
                    float *dk = dqkv + (b * t_max + u) * 3 * d + d + h * size;
                    float g = row[u] * (dshare[u] - along) * scale;
                    for (int i = 0; i < size; i++) {
                        dq[i] += g * k[i];
                        dk[i] += g * q[i];
                    }
                }
            }
    free(dshare);
}

static float gelu_inner(float x) { return 0.7978845608028654f * (x + 0.044715f * x * x * x); }

static void gelu_forward(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++) y[i] = 0.5f * x[i] * (1.0f + tanhf(gelu_inner(x[i])));
}

static void gelu_backward(float *dx, const float *x, int n) {
    for (int i = 0; i < n; i++) {
        float t = tanhf(gelu_inner(x[i])), slope = 0.7978845608028654f * (1.0f + 3.0f * 0.044715f * x[i] * x[i]);
        dx[i] *= 0.5f * (1.0f + t) + 0.5f * x[i] * (1.0f - t * t) * slope;
    }
}

typedef struct {
    float *ln1_scale, *ln1_shift, *qkv_weight, *qkv_bias, *out_weight, *out_bias, *ln2_scale, *ln2_shift,
        *up_weight, *up_bias, *down_weight, *down_bias;
} Block;

typedef struct {
    float *wte, *wpe, *ln_scale, *ln_shift;
    Block *blocks;
} Model;

static float *take(float **at, size_t n) {
    float *found = *at;
    *at += n;
    return found;
}

static Model model_over(float *flat, const Shape *s) {
    size_t d = s->width;
    Model m;
    float *at = flat;
    m.wte = take(&at, s->vocabulary * d);
    m.wpe = take(&at, s->length * d);
    m.blocks = malloc(sizeof(Block) * s->layers);
    for (int l = 0; l < s->layers; l++) {
        Block *b = &m.blocks[l];
        b->ln1_scale = take(&at, d);
        b->ln1_shift = take(&at, d);
        b->qkv_weight = take(&at, 3 * d * d);
        b->qkv_bias = take(&at, 3 * d);
        b->out_weight = take(&at, d * d);
        b->out_bias = take(&at, d);
        b->ln2_scale = take(&at, d);
        b->ln2_shift = take(&at, d);
        b->up_weight = take(&at, 4 * d * d);
        b->up_bias = take(&at, 4 * d);
        b->down_weight = take(&at, 4 * d * d);
        b->down_bias = take(&at, d);
    }
    m.ln_scale = take(&at, d);
    m.ln_shift = take(&at, d);
    return m;
}

/* What the forward pass of one block leaves for the backward pass. */
typedef struct {
    float *x, *a, *mean1, *inverse1, *qkv, *shares, *mixed, *middle, *b, *mean2, *inverse2, *up, *active;
} Kept;

static float *floats(size_t n) { return calloc(n, sizeof(float)); }

static float step(const Shape *s, Model *p, Model *g, Kept *kept, float *x, float *normed, float *mean,
                  float *inverse, float *logits, const int *tokens) {
    int n = s->batch * s->length, d = s->width, v = s->vocabulary;
    for (int b = 0; b < s->batch; b++)
        for (int t = 0; t < s->length; t++)
            for (int k = 0; k < d; k++)
                x[(b * s->length + t) * d + k] = p->wte[tokens[b * (s->length + 1) + t] * d + k] + p->wpe[t * d + k];
    for (int l = 0; l < s->layers; l++) {
        Block *w = &p->blocks[l];
        Kept *c = &kept[l];
        memcpy(c->x, x, sizeof(float) * n * d);
        norm_forward(c->a, c->mean1, c->inverse1, x, w->ln1_scale, w->ln1_shift, n, d);
        linear_forward(c->qkv, c->a, w->qkv_weight, w->qkv_bias, n, d, 3 * d);
        attention_forward(c->mixed, c->shares, c->qkv, s);
        linear_forward(c->b, c->mixed, w->out_weight, w->out_bias, n, d, d);
        for (int i = 0; i < n * d; i++) x[i] += c->b[i];
        memcpy(c->middle, x, sizeof(float) * n * d);
        norm_forward(c->b, c->mean2, c->inverse2, x, w->ln2_scale, w->ln2_shift, n, d);
        linear_forward(c->up, c->b, w->up_weight, w->up_bias, n, d, 4 * d);
        gelu_forward(c->active, c->up, n * 4 * d);
        linear_forward(normed, c->active, w->down_weight, w->down_bias, n, 4 * d, d);
        for (int i = 0; i < n * d; i++) x[i] += normed[i];
    }
    norm_forward(normed, mean, inverse, x, p->ln_scale, p->ln_shift, n, d);
    linear_forward(logits, normed, p->wte, NULL, n, d, v);

    /* The loss, and its gradient in a copy of the logits. */
    double loss = 0.0;
    float *dlogits = floats((size_t)n * v), *dx = floats((size_t)n * d), *dnormed = floats((size_t)n * d);
    for (int i = 0; i < n; i++) {
        int target = tokens[(i / s->length) * (s->length + 1) + i % s->length + 1];
        float top = -INFINITY, sum = 0.0f;
        for (int j = 0; j < v; j++)
            if (logits[i * v + j] > top) top = logits[i * v + j];
        for (int j = 0; j < v; j++) sum += dlogits[i * v + j] = expf(logits[i * v + j] - top);
        loss += logf(sum) - (logits[i * v + target] - top);
        for (int j = 0; j < v; j++) dlogits[i * v + j] = (dlogits[i * v + j] / sum - (j == target)) / n;
    }
    linear_backward(dnormed, g->wte, NULL, dlogits, normed, p->wte, n, d, v);
    norm_backward(dx, g->ln_scale, g->ln_shift, dnormed, x, p->ln_scale, mean, inverse, n, d);
    float *dwide = floats((size_t)n * 4 * d), *dqkv = floats((size_t)n * 3 * d), *dmixed = floats((size_t)n * d);
    for (int l = s->layers - 1; l >= 0; l--) {
        Block *w = &p->blocks[l], *gw = &g->blocks[l];
        Kept *c = &kept[l];
        linear_backward(dwide, gw->down_weight, gw->down_bias, dx, c->active, w->down_weight, n, 4 * d, d);
        gelu_backward(dwide, c->up, n * 4 * d);
        linear_backward(dnormed, gw->up_weight, gw->up_bias, dwide, c->b, w->up_weight, n, d, 4 * d);
        norm_backward(dx, gw->ln2_scale, gw->ln2_shift, dnormed, c->middle, w->ln2_scale, c->mean2, c->inverse2, n, d);
        linear_backward(dmixed, gw->out_weight, gw->out_bias, dx, c->mixed, w->out_weight, n, d, d);
        attention_backward(dqkv, dmixed, c->shares, c->qkv, s);
        linear_backward(dnormed, gw->qkv_weight, gw->qkv_bias, dqkv, c->a, w->qkv_weight, n, d, 3 * d);
        norm_backward(dx, gw->ln1_scale, gw->ln1_shift, dnormed, c->x, w->ln1_scale, c->mean1, c->inverse1, n, d);
    }
    for (int b = 0; b < s->batch; b++)
        for (int t = 0; t < s->length; t++)
            for (int k = 0; k < d; k++) {
                float each = dx[(b * s->length + t) * d + k];
                g->wte[tokens[b * (s->length + 1) + t] * d + k] += each;
                g->wpe[t * d + k] += each;
            }
    free(dlogits), free(dx), free(dnormed), free(dwide), free(dqkv), free(dmixed);
    return (float)(loss / n);
}

void train(const Shape *s, const float *start, const int *tokens,
           float *losses, float *logits, float *gradients, float *parameters) {
    size_t n = (size_t)s->batch * s->length, d = s->width;
    size_t count = s->vocabulary * d + s->length * d + s->layers * (12 * d * d + 13 * d) + 2 * d;
    float *gradient = floats(count), *first = floats(count), *second = floats(count);
    memcpy(parameters, start, sizeof(float) * count);
    Model p = model_over(parameters, s), g = model_over(gradient, s);
    Kept *kept = malloc(sizeof(Kept) * s->layers);
    for (int l = 0; l < s->layers; l++)
        kept[l] = (Kept){floats(n * d), floats(n * d), floats(n), floats(n), floats(n * 3 * d),
                         floats(n * s->heads * s->length), floats(n * d), floats(n * d), floats(n * d),
                         floats(n), floats(n), floats(n * 4 * d), floats(n * 4 * d)};
    float *x = floats(n * d), *normed = floats(n * d), *mean = floats(n), *inverse = floats(n);
    float *scores = floats(n * s->vocabulary);
    for (int i = 0; i < s->steps; i++) {
        memset(gradient, 0, sizeof(float) * count);
        losses[i] = step(s, &p, &g, kept, x, normed, mean, inverse, scores, tokens + i * s->batch * (s->length + 1));
        if (i == 0) {
            memcpy(logits, scores, sizeof(float) * n * s->vocabulary);
            memcpy(gradients, gradient, sizeof(float) * count);
        }
        float fix1 = 1.0f - powf(BETA1, i + 1), fix2 = 1.0f - powf(BETA2, i + 1);
        for (size_t k = 0; k < count; k++) {
            first[k] = BETA1 * first[k] + (1.0f - BETA1) * gradient[k];
            second[k] = BETA2 * second[k] + (1.0f - BETA2) * gradient[k] * gradient[k];
            float change = first[k] / fix1 / (sqrtf(second[k] / fix2) + ADAM_EPSILON);
            parameters[k] -= RATE * (change + DECAY * parameters[k]);
        }
    }
    for (int l = 0; l < s->layers; l++) {
        Kept *c = &kept[l];
        free(c->x), free(c->a), free(c->mean1), free(c->inverse1), free(c->qkv), free(c->shares), free(c->mixed);
        free(c->middle), free(c->b), free(c->mean2), free(c->inverse2), free(c->up), free(c->active);
    }
    free(kept), free(p.blocks), free(g.blocks), free(gradient), free(first), free(second);
    free(x), free(normed), free(mean), free(inverse), free(scores);
}

/* Layer norm, scores, cross-entropy and their gradients, one after the other, as a textbook writes them. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>

static void norm(float *unit, float *y, float *inverse, const float *x, const float *scale, const float *shift,
                 int rows, int width) {
    for (int i = 0; i < rows; i++) {
        float mean = 0.0f, variance = 0.0f;
        for (int j = 0; j < width; j++) mean += x[i * width + j];
        mean /= width;
        for (int j = 0; j < width; j++) variance += (x[i * width + j] - mean) * (x[i * width + j] - mean);
        inverse[i] = 1.0f / sqrtf(variance / width + NORM_EPSILON);
        for (int j = 0; j < width; j++) {
            unit[i * width + j] = (x[i * width + j] - mean) * inverse[i];
            y[i * width + j] = unit[i * width + j] * scale[j] + shift[j];
        }
    }
}

static void norm_back(float *dx, float *dscale, float *dshift, const float *dy, const float *unit, const float *scale,
                      const float *inverse, int rows, int width) {
    for (int j = 0; j < width; j++) {
        dscale[j] = 0.0f;
        dshift[j] = 0.0f;
        for (int i = 0; i < rows; i++) {
            dscale[j] += dy[i * width + j] * unit[i * width + j];
            dshift[j] += dy[i * width + j];
        }
    }
    for (int i = 0; i < rows; i++) {
        float a = 0.0f, b = 0.0f;
        for (int j = 0; j < width; j++) {
            a += dy[i * width + j] * scale[j];
            b += dy[i * width + j] * scale[j] * unit[i * width + j];
        }
        for (int j = 0; j < width; j++)
            dx[i * width + j] = (dy[i * width + j] * scale[j] - a / width - unit[i * width + j] * b / width) * inverse[i];
    }
}

/* Losses, and the scores become their gradients. */
static void softmax(float *losses, float *scores, const int32_t *targets, int rows, int vocabulary) {
    for (int i = 0; i < rows; i++) {
        float *row = scores + i * vocabulary;
        float top = -INFINITY, sum = 0.0f, right = row[targets[i]];
        for (int j = 0; j < vocabulary; j++)
            if (row[j] > top) top = row[j];
        for (int j = 0; j < vocabulary; j++) row[j] = expf(row[j] - top);
        for (int j = 0; j < vocabulary; j++) sum += row[j];
        losses[i] = logf(sum) - (right - top);
        for (int j = 0; j < vocabulary; j++) row[j] = (row[j] / sum - (j == targets[i])) / rows;
    }
}

void xent(int rows, int width, int vocabulary, const float *x, const float *scale, const float *shift, const float *w,
          const int32_t *targets, float *losses, float *dx, float *dscale, float *dshift, float *dw) {
    float *unit = malloc(sizeof(float) * rows * width), *y = malloc(sizeof(float) * rows * width);
    float *dy = malloc(sizeof(float) * rows * width), *inverse = malloc(sizeof(float) * rows);
    float *scores = malloc(sizeof(float) * rows * vocabulary);
    norm(unit, y, inverse, x, scale, shift, rows, width);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vocabulary; j++) {
            float sum = 0.0f;
            for (int k = 0; k < width; k++) sum += y[i * width + k] * w[j * width + k];
            scores[i * vocabulary + j] = sum;
        }
    softmax(losses, scores, targets, rows, vocabulary);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < width; k++) {
            float sum = 0.0f;
            for (int j = 0; j < vocabulary; j++) sum += scores[i * vocabulary + j] * w[j * width + k];
            dy[i * width + k] = sum;
        }
    for (int j = 0; j < vocabulary; j++)
        for (int k = 0; k < width; k++) {
            float sum = 0.0f;
            for (int i = 0; i < rows; i++) sum += scores[i * vocabulary + j] * y[i * width + k];
            dw[j * width + k] = sum;
        }
    norm_back(dx, dscale, dshift, dy, unit, scale, inverse, rows, width);
    free(unit);
    free(y);
    free(dy);
    free(inverse);
    free(scores);
}

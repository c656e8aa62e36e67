/* What a trainer has to do; protected. See INTERFACE.md for the mathematics. */
#ifndef TRAINER_H
#define TRAINER_H

typedef struct {
    int vocabulary, length, width, layers, heads, batch, steps;
} Shape;

#define NORM_EPSILON 1e-5f
#define BETA1 0.9f
#define BETA2 0.99f
#define ADAM_EPSILON 1e-5f
#define RATE 1e-3f
#define DECAY 0.01f

/* Train `steps` steps from `start` (all parameters, in the order of INTERFACE.md) over `tokens` (steps, batch, length + 1).
 * Write the loss of each step before its update, logits (batch * length, vocabulary) and gradients of the first step, and the
 * parameters after the last. */
void train(const Shape *shape, const float *start, const int *tokens,
           float *losses, float *logits, float *gradients, float *parameters);

#endif

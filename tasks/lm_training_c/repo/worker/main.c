/* The worker: one call is one training. Protected. */
#include "rsi_worker.h"
#include "trainer.h"

static int64_t work(const int64_t words[RSI_WORDS], const unsigned char *in, unsigned char *out) {
    Shape shape = {(int)words[0], (int)words[1], (int)words[2], (int)words[3],
                   (int)words[4], (int)words[5], (int)words[6]};
    size_t parameters = (size_t)words[7], logits = (size_t)shape.batch * shape.length * shape.vocabulary;
    const float *start = (const float *)in;
    float *losses = (float *)out;
    train(&shape, start, (const int *)(start + parameters), losses, losses + shape.steps,
          losses + shape.steps + logits, losses + shape.steps + logits + parameters);
    return 0;
}

int main(void) { return rsi_work(work); }

#include <config.h>

#include "data/encode_internal.h"

#include <math.h>

#include "base/simd.h"

/* sums[s] += value · weights[s] */
static SIMD_INLINE void
add_scores(const int16_t *weights, size_t count, float value, float *sums)
{
  for (size_t s = 0; s < count; s++)
    sums[s] += value * (float) weights[s];
}

/* Length of the row of n-grams, and its products with the weights, in their units. */
static SIMD_INLINE void
weigh_body(const struct encode_words *words, const struct ngram *grams, size_t count, float *sums,
           float *square)
{
  size_t scores = words->score_count;
  float step = (float) words->idf_step, total = 0.0f;
  for (size_t i = 0; i < count; i++)
  {
    size_t bucket = grams[i].bucket;
    float value = 1.0f + step * (float) words->idf[bucket];
    if (grams[i].count > 1)
      value *= 1.0f + logf((float) grams[i].count);
    total += value * value;
    add_scores(words->weights + bucket * scores, scores, value, sums);
  }
  *square = total;
}

SIMD_DEFINE(static, weigh,
            (const struct encode_words *words, const struct ngram *grams, size_t count, float *sums,
             float *square),
            (words, grams, count, sums, square))

static float
share(uint32_t part, uint32_t whole)
{
  return whole > 0 ? (float) part / (float) whole : 0.0f;
}

void
encode_words_values(const struct encode_words *words, const char *text, size_t length,
                    struct ngram_scratch *scratch, float *values)
{
  struct ngram_look look;
  float sums[ENCODE_MAX_SCORES] = {0}, square = 0.0f;
  size_t count = ngram_scan(text, length, words->bits, scratch, &look);
  values[0] = log1pf((float) look.characters);
  values[1] = log1pf((float) look.words);
  values[2] = share(look.digits, look.characters);
  values[3] = share(look.capitals, look.characters);
  values[4] = share(look.marks, look.characters);
  weigh(words, scratch->grams, count, sums, &square);
  double unit = square > 0.0f ? 1.0 / sqrt((double) square) : 0.0;
  for (size_t s = 0; s < words->score_count; s++)
    values[ENCODE_LOOKS + s] =
      (float) (words->bias[s] + (double) sums[s] * words->weight_unit[s] * unit);
}

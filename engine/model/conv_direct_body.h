/* Lines of convolutions (conv_direct.h) in lanes of one instruction set. Includers have included lanes_avx2.h or
 * lanes_avx512.h, and define LONG, pixels or groups of them at a time: their product with the vectors of filters at a
 * time, and the weights, have to fit the registers. It makes make_line and pool_lines of it.
 */

/* What a run of groups is made of. */
struct run
{
  size_t lines, taps; /* of the kernel */
  size_t line;        /* floats from one line of x to the next */
  size_t step;        /* floats of x from one group to the next */
  size_t columns;     /* floats of y from one group to the next */
  some last;          /* of the last vector */
};

/* `vectors` of filters of `count` groups. */
static SIMD_INLINE void
make_run(const struct run *run, int vectors, int count, const float *x, const float *w, float *y)
{
  lanes sum[LONG][CONV_DIRECT_WIDE];

#pragma GCC unroll 16
  for (int p = 0; p < count; p++)
    for (int v = 0; v < vectors; v++)
      sum[p][v] = all(0.0f);
  for (size_t line = 0; line < run->lines; line++, x += run->line)
    for (size_t tap = 0; tap < run->taps; tap++, w += (size_t) vectors * LANES)
    {
      lanes first = get(w), second = first;
      if (vectors > 1)
        second = get(w + LANES);
#pragma GCC unroll 16
      for (int p = 0; p < count; p++)
      {
        float factor = x[(size_t) p * run->step + tap];
        sum[p][0] = join(factor, first, sum[p][0]);
        if (vectors > 1)
          sum[p][1] = join(factor, second, sum[p][1]);
      }
    }
#pragma GCC unroll 16
  for (int p = 0; p < count; p++)
  {
    float *to = y + (size_t) p * run->columns;
    if (vectors > 1)
      put(to, sum[p][0]);
    put_some(to + (vectors > 1 ? LANES : 0), run->last, sum[p][vectors - 1]);
  }
}

#define RUN_CASE(vectors, count)                                                                   \
  case count:                                                                                      \
    make_run(run, vectors, count, x, w, y);                                                        \
    break;

#if LONG > 6
#define RUN_CASES_MORE(vectors)                                                                    \
  RUN_CASE(vectors, 7)                                                                             \
  RUN_CASE(vectors, 8)                                                                             \
  RUN_CASE(vectors, 9)                                                                             \
  RUN_CASE(vectors, 10)                                                                            \
  RUN_CASE(vectors, 11)                                                                            \
  RUN_CASE(vectors, 12)                                                                            \
  RUN_CASE(vectors, 13)                                                                            \
  RUN_CASE(vectors, 14)
#else
#define RUN_CASES_MORE(vectors)
#endif

#define RUN_DEFINE(name, vectors)                                                                  \
  static void name(const struct run *run, size_t count, const float *x, const float *w, float *y)  \
  {                                                                                                \
    switch (count)                                                                                 \
    {                                                                                              \
      RUN_CASE(vectors, 1)                                                                         \
      RUN_CASE(vectors, 2)                                                                         \
      RUN_CASE(vectors, 3)                                                                         \
      RUN_CASE(vectors, 4)                                                                         \
      RUN_CASE(vectors, 5)                                                                         \
      RUN_CASE(vectors, 6)                                                                         \
      RUN_CASES_MORE(vectors)                                                                      \
    default:                                                                                       \
      break;                                                                                       \
    }                                                                                              \
  }

RUN_DEFINE(run_one, 1)
RUN_DEFINE(run_two, 2)

static void
make_line(const struct conv_direct *conv, const float *x, const float *packed, float *y)
{
  size_t filters = conv->together * conv->out, groups = conv->width / conv->together;
  size_t vectors = conv_direct_vectors(conv), runs = (groups + LONG - 1) / LONG, block;
  struct run run = {.lines = conv->kernel,
                    .taps = conv_direct_taps(conv),
                    .line = (conv->in_width + conv->kernel - 1) * conv->in,
                    .step = conv->together * conv->stride * conv->in,
                    .columns = filters};

  for (size_t v = 0; v < vectors; v += block)
  {
    block = vectors - v < CONV_DIRECT_WIDE ? vectors - v : CONV_DIRECT_WIDE;
    size_t left = filters - (v + block - 1) * LANES;
    run.last = first_of(left);
    /* of nearly the same length: a short last one would leave the arithmetic units waiting */
    for (size_t r = 0; r < runs; r++)
    {
      size_t first = r * groups / runs, end = (r + 1) * groups / runs;
      const float *from = x + first * run.step;
      float *to = y + first * filters + v * LANES;
      if (block > 1)
        run_two(&run, end - first, from, packed, to);
      else
        run_one(&run, end - first, from, packed, to);
    }
    packed += block * LANES * conv->kernel * run.taps;
  }
}

static SIMD_INLINE lanes
end_pool(lanes most, lanes bias)
{
  return larger(most + bias, all(0.0f));
}

/* Filters that fill vectors, the last one perhaps not. */
static SIMD_INLINE void
pool_lines(size_t count, size_t out, const float *above, const float *below, const float *bias,
           float *y)
{
  for (size_t c = 0; c < out; c += LANES)
  {
    some here = first_of(out - c);
    lanes plus = get_some(here, bias + c);
    for (size_t i = 0; i < count; i++)
    {
      size_t left = 2 * i * out + c, right = left + out;
      lanes top = larger(get_some(here, above + left), get_some(here, above + right));
      lanes low = larger(get_some(here, below + left), get_some(here, below + right));
      put_some(y + i * out + c, here, end_pool(larger(low, top), plus));
    }
  }
}

/* Numbers below the least normal one (1.2e-38) take many times as long as others on some processors, and training that
 * has learned all there is fills its moments with them: let through, they made a perceptron's steps four times as long.
 */
#ifndef ATTUNE_BASE_DENORMALS_H
#define ATTUNE_BASE_DENORMALS_H

#ifdef __SSE2__
#include <immintrin.h>
#define DENORMALS_TO_ZERO 0x8040u /* of results, of operands */
#endif

/* From here on this thread takes them for 0. Returns what denormals_restore wants. */
static inline unsigned
denormals_to_zero(void)
{
#ifdef __SSE2__
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | DENORMALS_TO_ZERO);
  return before;
#else
  return 0;
#endif
}

static inline void
denormals_restore(unsigned before)
{
#ifdef __SSE2__
  _mm_setcsr(before);
#else
  (void) before;
#endif
}

#endif

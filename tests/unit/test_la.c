#include <config.h>

#include "base/la.h"

#include "base/rng.h"
#include "tests/harness/test_support.h"

#define MAX_ELEMENTS 4096

static void
fill(struct rng *rng, double *to, size_t count)
{
  for (size_t i = 0; i < count; i++)
    to[i] = rng_normal(rng);
}

/* Element (i,j) of op(a). */
static double
at(const double *a, size_t ld, bool trans, size_t i, size_t j)
{
  return trans ? a[j * ld + i] : a[i * ld + j];
}

static void
test_gemm(void **state)
{
  (void) state;
  static const size_t shapes[][3] = {{1, 1, 1}, {3, 5, 4}, {17, 2, 9}, {8, 8, 0}, {20, 13, 33}};
  static double a[MAX_ELEMENTS], b[MAX_ELEMENTS], c[MAX_ELEMENTS], d[MAX_ELEMENTS];
  static float fa[MAX_ELEMENTS], fb[MAX_ELEMENTS], fc[MAX_ELEMENTS];
  struct rng rng;
  rng_init(&rng, 11, 0);
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
    for (int flags = 0; flags < 4; flags++)
    {
      bool ta = flags & 1, tb = flags & 2;
      size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
      size_t lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 1, ldc = n + 3;
      fill(&rng, a, MAX_ELEMENTS);
      fill(&rng, b, MAX_ELEMENTS);
      fill(&rng, c, MAX_ELEMENTS);
      for (size_t i = 0; i < MAX_ELEMENTS; i++)
      {
        fa[i] = (float) a[i];
        fb[i] = (float) b[i];
        fc[i] = (float) c[i];
        d[i] = c[i];
      }
      for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
        {
          double sum = 0;
          for (size_t l = 0; l < k; l++)
            sum += at(a, lda, ta, i, l) * at(b, ldb, tb, l, j);
          d[i * ldc + j] = 1.5 * sum - 0.5 * c[i * ldc + j];
        }
      la_dgemm(ta, tb, m, n, k, 1.5, a, lda, b, ldb, -0.5, c, ldc);
      la_sgemm(ta, tb, m, n, k, 1.5f, fa, lda, fb, ldb, -0.5f, fc, ldc);
      for (size_t i = 0; i < m * ldc; i++)
      {
        assert_near(c[i], d[i], 1e-12);
        assert_near(fc[i], d[i], 1e-4);
      }
    }
}

static void
test_vectors(void **state)
{
  (void) state;
  double a[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, x[4] = {1, -1, 2, 0.5},
         y[4] = {1, 1, 1, 9};
  la_dgemv(false, 3, 4, 2.0, a, 4, x, 1.0, y);
  assert_near(y[0], 1 + 2 * (1 - 2 + 6 + 2), 1e-12);
  assert_near(y[1], 1 + 2 * (5 - 6 + 14 + 4), 1e-12);
  assert_near(y[2], 1 + 2 * (9 - 10 + 22 + 6), 1e-12);
  assert_near(y[3], 9, 0);
  la_dgemv(true, 3, 4, 1.0, a, 4, x, 0.0, y);
  for (size_t j = 0; j < 4; j++)
    assert_near(y[j], a[j] - a[4 + j] + 2 * a[8 + j], 1e-12);
  la_dgemv(true, 0, 4, 1.0, a, 4, x, 0.0, y);
  for (size_t j = 0; j < 4; j++)
    assert_near(y[j], 0, 0);
  assert_near(la_ddot(4, x, x), 6.25, 1e-12);
  assert_near(la_ddot(0, x, x), 0, 0);
  la_daxpy(4, -1.0, x, x);
  assert_near(la_ddot(4, x, x), 0, 0);
}

/* a (n, ld) = m·mᵀ + n·I in the lower triangle, a mark above. */
static void
make_spd(struct rng *rng, size_t n, size_t ld, double *a)
{
  static double m[MAX_ELEMENTS];
  fill(rng, m, n * n);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++)
      a[i * ld + j] = j > i ? 777.0 : la_ddot(n, m + i * n, m + j * n) + (i == j ? (double) n : 0);
}

static void
test_cholesky(void **state)
{
  (void) state;
  static const size_t sizes[] = {1, 2, 7, 50};
  static double a[MAX_ELEMENTS], l[MAX_ELEMENTS], inverse[MAX_ELEMENTS];
  struct rng rng;
  rng_init(&rng, 12, 0);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
  {
    size_t n = sizes[s], ld = n + 3;
    make_spd(&rng, n, ld, a);
    memcpy(l, a, sizeof l);
    assert_true(la_dpotrf(n, l, ld));
    memcpy(inverse, l, sizeof l);
    assert_true(la_dpotri(n, inverse, ld));
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++)
      {
        size_t low = i < j ? i : j, high = i < j ? j : i;
        if (j > i)
        {
          assert_near(l[i * ld + j], 777.0, 0);
          assert_near(inverse[i * ld + j], 777.0, 0);
        }
        assert_near(la_ddot(low + 1, l + i * ld, l + j * ld), a[high * ld + low], 1e-9);
        double product = 0; /* (a · inverse)(i,j), both by their lower triangles */
        for (size_t k = 0; k < n; k++)
          product += a[(i > k ? i : k) * ld + (i > k ? k : i)]
                     * inverse[(j > k ? j : k) * ld + (j > k ? k : j)];
        assert_near(product, i == j, 1e-9);
      }
  }
}

static void
test_triangular(void **state)
{
  (void) state;
  enum
  {
    N = 23,
    LD = 25,
    K = 6
  };
  static double l[N * LD], b[N * K], x[N * K], column[N];
  struct rng rng;
  rng_init(&rng, 13, 0);
  make_spd(&rng, N, LD, l);
  assert_true(la_dpotrf(N, l, LD));
  for (int trans = 0; trans < 2; trans++)
  {
    fill(&rng, b, N * K);
    memcpy(x, b, sizeof x);
    la_dtrsm(trans, N, K, l, LD, x, K);
    for (size_t j = 0; j < K; j++)
    {
      for (size_t i = 0; i < N; i++)
        column[i] = b[i * K + j];
      la_dtrsv(trans, N, l, LD, column);
      for (size_t i = 0; i < N; i++)
      {
        assert_near(column[i], x[i * K + j], 1e-10);
        double sum = 0;
        for (size_t k = trans ? i : 0; k < (trans ? N : i + 1); k++)
          sum += (trans ? l[k * LD + i] : l[i * LD + k]) * x[k * K + j];
        assert_near(sum, b[i * K + j], 1e-10);
      }
    }
  }
}

static void
test_not_definite(void **state)
{
  (void) state;
  double negative[4] = {1, 0, 2, 1}; /* [1 2; 2 1] has the eigenvalue −1 */
  assert_false(la_dpotrf(2, negative, 2));
  double zero[1] = {0};
  assert_false(la_dpotrf(1, zero, 1));
  double not_a_number[4] = {1, 0, NAN, 1};
  assert_false(la_dpotrf(2, not_a_number, 2));
  assert_true(la_dpotrf(0, zero, 0));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_gemm),         cmocka_unit_test(test_vectors),
    cmocka_unit_test(test_cholesky),     cmocka_unit_test(test_triangular),
    cmocka_unit_test(test_not_definite),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

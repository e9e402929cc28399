#include <config.h>

#include "tests/bench/search_functions.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

static double
branin(const double *x, size_t dims)
{
  (void) dims;
  double a = x[1] - 5.1 / (4 * PI * PI) * x[0] * x[0] + 5 / PI * x[0] - 6;
  return a * a + 10 * (1 - 1 / (8 * PI)) * cos(x[0]) + 10;
}

static void
branin_shape(struct space_param *params)
{
  params[0].low = -5;
  params[0].high = 10;
  params[1].low = 0;
  params[1].high = 15;
}

static double
hartmann6(const double *x, size_t dims)
{
  static const double weight[4] = {1, 1.2, 3, 3.2};
  static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                 {0.05, 10, 17, 0.1, 8, 14},
                                 {3, 3.5, 1.7, 10, 17, 8},
                                 {17, 8, 0.05, 10, 0.1, 14}};
  static const double p[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                 {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                 {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                 {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  double sum = 0;
  for (int i = 0; i < 4; i++)
  {
    double inner = 0;
    for (size_t j = 0; j < dims; j++)
      inner += a[i][j] * (x[j] - p[i][j]) * (x[j] - p[i][j]);
    sum -= weight[i] * exp(-inner);
  }
  return sum;
}

/* Where the shifted functions have their minimum, in parts of the range: 0.2 … 0.8, no two alike. */
static double
shift(size_t i)
{
  double golden = (double) (i + 1) * 0.61803398874989484820;
  return 0.2 + 0.6 * (golden - floor(golden));
}

static double
ackley(const double *x, size_t dims)
{
  double square = 0, wave = 0;
  for (size_t i = 0; i < dims; i++)
  {
    double d = x[i] - (-32.768 + 65.536 * shift(i));
    square += d * d / (double) dims;
    wave += cos(2 * PI * d) / (double) dims;
  }
  return -20 * exp(-0.2 * sqrt(square)) - exp(wave) + 20 + exp(1);
}

static double
levy(const double *x, size_t dims)
{
  double first = 1 + (x[0] - 1) / 4;
  double last = 1 + (x[dims - 1] - 1) / 4;
  double sum = sin(PI * first) * sin(PI * first);
  for (size_t i = 0; i + 1 < dims; i++)
  {
    double w = 1 + (x[i] - 1) / 4;
    double s = sin(PI * w + 1);
    sum += (w - 1) * (w - 1) * (1 + 10 * s * s);
  }
  double s = sin(2 * PI * last);
  return sum + (last - 1) * (last - 1) * (1 + s * s);
}

static double
rosenbrock(const double *x, size_t dims)
{
  double sum = 0;
  for (size_t i = 0; i + 1 < dims; i++)
  {
    double a = x[i + 1] - x[i] * x[i];
    sum += 100 * a * a + (1 - x[i]) * (1 - x[i]);
  }
  return sum;
}

static double
rastrigin(const double *x, size_t dims)
{
  double sum = 0;
  for (size_t i = 0; i < dims; i++)
  {
    double d = x[i] - (-5.12 + 10.24 * shift(i));
    sum += d * d - 10 * cos(2 * PI * d) + 10;
  }
  return sum;
}

static double
styblinski(const double *x, size_t dims)
{
  double sum = 0;
  for (size_t i = 0; i < dims; i++)
    sum += 0.5 * (x[i] * x[i] * x[i] * x[i] - 16 * x[i] * x[i] + 5 * x[i]);
  return sum + 39.16616570377142 * (double) dims;
}

static double
sphere(const double *x, size_t dims)
{
  double sum = 0;
  for (size_t i = 0; i < dims; i++)
  {
    double d = x[i] - shift(i);
    sum += d * d;
  }
  return sum;
}

/* What tuning a network looks like: a valley over log learning rate and log decay that leans, a
 * momentum that moves it, a width with falling gains, an optimizer with its own best rate, and a dropout
 * that hardly matters; log loss with a plateau where it diverges. */
static double
tuning(const double *x, size_t dims)
{
  (void) dims;
  static const double best_rate[3] = {-1.2, -2.8, -2.2};
  static const double level[3] = {0.02, 0.0, 0.05};
  int optimizer = (int) x[2];
  double rate = log10(x[0]) - best_rate[optimizer];
  double decay = log10(x[1]);
  double lean = rate + 0.25 * (decay + 4);
  if (optimizer == 0)
    lean += 0.8 * (x[6] - 0.9) / 0.5;
  double width = log2(x[3]);
  double sum = 0.25 + level[optimizer] + 0.08 * lean * lean + 0.01 * (decay + 4) * (decay + 4)
               + 0.4 * exp(-0.5 * (width - 4)) + 0.004 * (x[4] - 3) * (x[4] - 3)
               + 0.05 * (x[5] - 0.2) * (x[5] - 0.2);
  if (lean > 1.2)
    return 2.3;
  return fmin(sum, 2.3);
}

static void
tuning_shape(struct space_param *params)
{
  static double sgd[1] = {0};
  static struct space_condition when_sgd = {.parent = 2, .values = sgd, .value_count = 1};
  params[0] = (struct space_param){
    .name = "rate", .kind = SPACE_FLOAT, .scale = SPACE_LOG, .low = 1e-5, .high = 1};
  params[1] = (struct space_param){
    .name = "decay", .kind = SPACE_FLOAT, .scale = SPACE_LOG, .low = 1e-7, .high = 1e-1};
  params[2] =
    (struct space_param){.name = "optimizer", .kind = SPACE_CATEGORICAL, .value_count = 3};
  params[3] = (struct space_param){
    .name = "width", .kind = SPACE_INT, .scale = SPACE_LOG, .low = 16, .high = 1024, .step = 1};
  params[4] =
    (struct space_param){.name = "layers", .kind = SPACE_INT, .low = 1, .high = 6, .step = 1};
  params[5] = (struct space_param){.name = "dropout", .kind = SPACE_FLOAT, .low = 0, .high = 0.6};
  params[6] = (struct space_param){.name = "momentum",
                                   .kind = SPACE_FLOAT,
                                   .low = 0,
                                   .high = 0.99,
                                   .conditions = &when_sgd,
                                   .condition_count = 1};
}

const struct search_function search_functions[] = {
  {"branin", 2, 0.39788735772973816, 0, 1, branin, branin_shape},
  {"hartmann6", 6, -3.32236801141551, 0, 1, hartmann6, NULL},
  {"ackley5", 5, 0, -32.768, 32.768, ackley, NULL},
  {"ackley8", 8, 0, -32.768, 32.768, ackley, NULL},
  {"rosenbrock4", 4, 0, -2.048, 2.048, rosenbrock, NULL},
  {"levy5", 5, 0, -10, 10, levy, NULL},
  {"levy20", 20, 0, -10, 10, levy, NULL},
  {"rastrigin4", 4, 0, -5.12, 5.12, rastrigin, NULL},
  {"styblinski5", 5, 0, -5, 5, styblinski, NULL},
  {"sphere10", 10, 0, 0, 1, sphere, NULL},
  {"tuning7", 7, 0.25 + 0.4 * 0.049787068367863944, 0, 1, tuning, tuning_shape}};
const size_t search_function_count = sizeof search_functions / sizeof *search_functions;

const struct search_function *
search_function_find(const char *name)
{
  for (size_t k = 0; k < search_function_count; k++)
    if (strcmp(search_functions[k].name, name) == 0)
      return &search_functions[k];
  return NULL;
}

void
search_function_space(const struct search_function *function, struct search_function_space *space)
{
  memset(space, 0, sizeof *space);
  space->space.params = space->params;
  space->space.count = function->dims;
  for (size_t i = 0; i < function->dims; i++)
  {
    space->params[i].name = "x";
    space->params[i].kind = SPACE_FLOAT;
    space->params[i].low = function->low;
    space->params[i].high = function->high;
  }
  if (function->shape)
    function->shape(space->params);
}

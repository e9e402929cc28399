/* Random search spaces as JSON text: every kind, scale and step, odd names, conditions on conditions,
 * beliefs, forbidden combinations and relations. Relations are made to hold at one random point, so
 * most spaces have points; a forbidden combination may leave none.
 */
#ifndef ATTUNE_TESTS_SPACE_RANDOM_H
#define ATTUNE_TESTS_SPACE_RANDOM_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/text.h"

#define SPACE_RANDOM_MAX 12

struct random_param
{
  char name[16];
  int kind;         /* 0 float, 1 stepped float, 2 int, 3 ordinal, 4 categorical, 5 bool, 6 fixed */
  double low, step; /* value k is low + k · step (ordinal: 2^k) */
  int levels;       /* of continuous ones 0 */
  double high, chosen; /* chosen: a value where all relations hold */
  int depth;
};

struct random_space
{
  struct random_param params[SPACE_RANDOM_MAX];
  size_t count;
  struct buf text;
  bool discrete;
  int depth;
};

static inline void
random_append_value(struct buf *text, const struct random_param *param, int level)
{
  if (param->kind == 4)
    buf_printf(text, "\"v%d\"", level);
  else if (param->kind == 5)
    buf_append_text(text, level ? "true" : "false");
  else if (param->kind == 3)
    buf_printf(text, "%d", 1 << level);
  else
    buf_printf(text, "%.10g", param->low + level * param->step);
}

static inline void
random_shape(struct rng *rng, bool discrete, struct random_param *param)
{
  static const int any[] = {0, 0, 1, 2, 2, 3, 4, 4, 5, 6};
  static const int countable[] = {1, 2, 3, 4, 5, 6, 4, 5, 2, 3};
  param->kind = discrete ? countable[rng_below(rng, 10)] : any[rng_below(rng, 10)];
  param->low = (double) rng_below(rng, 5);
  param->step = param->kind == 1 ? 0.1 * (double) (1 + rng_below(rng, 5)) : 1;
  param->levels = 2 + (int) rng_below(rng, discrete ? 3 : 30);
  if (param->kind >= 3)
    param->levels = 1 + (int) rng_below(rng, 5);
  if (param->kind == 5)
    param->levels = 2;
  if (param->kind == 6)
    param->levels = 1;
  param->high = param->low + (param->levels - 1) * param->step;
  if (param->kind == 0)
  {
    param->levels = 0;
    param->low += 0.5;
    param->high = param->low + 0.25 + 4 * rng_double(rng);
  }
  double unit = rng_double(rng);
  int level = param->levels ? (int) rng_below(rng, (uint64_t) param->levels) : 0;
  param->chosen = param->kind == 0   ? param->low + unit * (param->high - param->low)
                  : param->kind == 3 ? 1 << level
                                     : param->low + level * param->step;
}

static inline void
random_append_kind(struct rng *rng, struct buf *text, const struct random_param *param)
{
  static const char *const types[] = {"float",       "float", "int",  "ordinal",
                                      "categorical", "bool",  "fixed"};
  buf_printf(text, "{\"type\":\"%s\"", types[param->kind]);
  if (param->kind <= 2)
  {
    bool log = param->low > 0 && rng_below(rng, 3) == 0;
    buf_printf(text, ",\"low\":%.10g,\"high\":%.10g%s", param->low, param->high,
               log ? ",\"scale\":\"log\"" : "");
    if (param->kind == 1)
      buf_printf(text, ",\"step\":%.10g", param->step);
    if (rng_below(rng, 4) == 0)
      buf_printf(text, ",\"prior\":{\"mean\":%.10g,\"sd\":0.5}", param->low);
  }
  if (param->kind == 6)
    buf_printf(text, ",\"value\":%.10g", param->low);
  for (int i = 0; (param->kind == 3 || param->kind == 4) && i < param->levels; i++)
  {
    buf_append_text(text, i ? "," : param->kind == 3 ? ",\"values\":[" : ",\"choices\":[");
    random_append_value(text, param, i);
  }
  if (param->kind == 3 || param->kind == 4)
    buf_append_text(text, "]");
  if (param->kind == 5 && rng_below(rng, 3) == 0)
    buf_append_text(text, ",\"prior\":{\"weights\":[3,1]}");
}

/* Conditions mostly on the parameter just before, so that they hang on each other. */
static inline void
random_append_when(struct rng *rng, struct random_space *r, size_t index)
{
  struct buf *text = &r->text;
  struct random_param *param = &r->params[index];
  const char *between = ",\"when\":{";
  for (size_t back = 1; back <= index && back <= 4; back++)
  {
    struct random_param *parent = &r->params[index - back];
    if (parent->levels < 2 || parent->kind < 2 || rng_below(rng, back == 1 ? 2 : 6) != 0)
      continue;
    int from = (int) rng_below(rng, (uint64_t) parent->levels - 1);
    buf_printf(text, "%s\"%s\":[", between, parent->name);
    random_append_value(text, parent, from);
    if (rng_below(rng, 2))
    {
      buf_append_text(text, ",");
      random_append_value(text, parent, from + 1);
    }
    buf_append_text(text, "]");
    between = ",";
    param->depth = parent->depth >= param->depth ? parent->depth + 1 : param->depth;
  }
  if (param->depth > 0)
    buf_append_text(text, "}");
  r->depth = param->depth > r->depth ? param->depth : r->depth;
}

static inline void
random_append_relation(struct rng *rng, struct random_space *r)
{
  static const double factors[] = {1, -1, 2, -0.5, 1, -1};
  double sum = 0;
  size_t terms = 0;
  for (size_t i = 0; i < r->count && terms < 3; i++)
  {
    const struct random_param *param = &r->params[i];
    bool numeric = param->kind <= 3 || param->kind == 6;
    if (!numeric || rng_below(rng, 2))
      continue;
    double factor = factors[rng_below(rng, 6)];
    buf_printf(&r->text, "%s%g*'%s'", terms++ ? " + " : "\"", factor, param->name);
    sum += factor * param->chosen;
  }
  bool less = rng_below(rng, 2);
  if (terms)
    buf_printf(&r->text, " %s %.6f\"", less ? "<=" : ">",
               sum + (less ? 1 : -1) * (0.01 + rng_double(rng)));
  else
    buf_printf(&r->text, "\"'%s' < 1e9\"", "number");
}

static inline void
random_append_forbidden(struct rng *rng, struct random_space *r)
{
  size_t clauses = 0, start = (size_t) rng_below(rng, r->count);
  for (size_t k = 0; k < 8 && clauses < 3; k++)
  {
    const struct random_param *param = &r->params[(k + start) % r->count];
    if (k >= r->count || (clauses > 0 && rng_below(rng, 2)))
      continue;
    buf_printf(&r->text, "%s\"%s\":", clauses++ ? "," : "{", param->name);
    if (param->kind <= 3 && rng_below(rng, 2))
      buf_printf(&r->text, "{\"min\":%.17g}",
                 param->kind == 3 ? 1.0 : 0.5 * (param->low + param->high));
    else if (param->kind == 0)
      buf_printf(&r->text, "{\"max\":%.17g}", param->low + 0.1);
    else
      random_append_value(&r->text, param, (int) rng_below(rng, (uint64_t) param->levels));
  }
  buf_append_text(&r->text, "}");
}

/* The text is r->text.data; free r->text after use. */
static inline void
space_random_make(struct rng *rng, bool discrete, struct random_space *r)
{
  memset(r, 0, sizeof *r);
  r->count = 1 + (size_t) rng_below(rng, SPACE_RANDOM_MAX);
  if (discrete && r->count > 7)
    r->count = 7;
  r->discrete = true;
  buf_append_text(&r->text, "{\"number\":7");
  for (size_t i = 0; i < r->count; i++)
  {
    struct random_param *param = &r->params[i];
    struct buf name = {0};
    switch (rng_below(rng, 5))
    {
    case 0:
      buf_printf(&name, "p-%zu", i);
      break;
    case 1:
      buf_printf(&name, "p.%zu", i);
      break;
    case 2:
      buf_printf(&name, "\xc3\xbc %zu", i);
      break;
    default:
      buf_printf(&name, "p%zu", i);
    }
    memcpy(param->name, name.data, name.length + 1);
    buf_free(&name);
    random_shape(rng, discrete, param);
    r->discrete = r->discrete && param->kind != 0;
    buf_printf(&r->text, ",\"%s\":", param->name);
    random_append_kind(rng, &r->text, param);
    random_append_when(rng, r, i);
    buf_append_text(&r->text, "}");
  }
  size_t rules = (size_t) rng_below(rng, 4);
  for (size_t k = 0; k < rules; k++)
  {
    buf_append_text(&r->text, k ? "," : ",\"$relations\":[");
    random_append_relation(rng, r);
  }
  buf_append_text(&r->text, rules ? "]" : "");
  rules = (size_t) rng_below(rng, 4);
  for (size_t k = 0; k < rules; k++)
  {
    buf_append_text(&r->text, k ? "," : ",\"$forbidden\":[");
    random_append_forbidden(rng, r);
  }
  buf_append_text(&r->text, rules ? "]}" : "}");
}

#endif

#include <config.h>

#include "base/space_relation.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/space_json.h"
#include "base/space_json_internal.h"
#include "base/text.h"

#define SHOWN 40 /* bytes of the text that a fault repeats */

/* ---- words -------------------------------------------------------------------------------------------- */

enum word_kind
{
  WORD_END,
  WORD_NUMBER,
  WORD_NAME,
  WORD_SIGN, /* + - * / */
  WORD_COMPARE,
  WORD_BAD
};

struct word
{
  enum word_kind kind;
  const char *start;
  size_t length;
  char sign; /* + - * /, < or > */
  bool strict;
  double number;
  char name[SPACE_NAME_MAX + 1];
};

static bool
is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool
starts_name(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char) c >= 0x80;
}

static bool
continues_name(char c)
{
  return starts_name(c) || is_digit(c) || c == '.';
}

/* A name in quotes; a doubled quote is one. */
static void
read_quoted(const char *text, struct word *word)
{
  char quote = *text;
  size_t length = 0;
  const char *next = text + 1;
  while (*next && (*next != quote || next[1] == quote))
  {
    next += *next == quote;
    if (length < SPACE_NAME_MAX)
      word->name[length++] = *next;
    next++;
  }
  word->name[length] = '\0';
  word->kind = *next == quote ? WORD_NAME : WORD_BAD;
  word->length = (size_t) (next - text) + (*next == quote);
}

static void
read_name(const char *text, struct word *word)
{
  size_t length = 0;
  while (continues_name(text[length]))
    length++;
  size_t kept = length <= SPACE_NAME_MAX ? length : SPACE_NAME_MAX;
  memcpy(word->name, text, kept);
  word->name[kept] = '\0';
  word->kind = WORD_NAME;
  word->length = length;
}

static void
read_number(const char *text, struct word *word)
{
  size_t length = 0;
  while (is_digit(text[length]) || text[length] == '.')
    length++;
  if (text[length] == 'e' || text[length] == 'E')
  {
    size_t digits = length + 1 + (text[length + 1] == '-' || text[length + 1] == '+');
    if (is_digit(text[digits]))
    {
      length = digits;
      while (is_digit(text[length]))
        length++;
    }
  }
  word->length = length;
  word->kind = text_parse_double(text, length, false, &word->number) ? WORD_NUMBER : WORD_BAD;
}

static void
read_word(const char *text, struct word *word)
{
  while (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r')
    text++;
  word->start = text;
  word->length = *text ? 1 : 0;
  word->kind = *text ? WORD_BAD : WORD_END;
  if (is_digit(*text) || *text == '.')
    read_number(text, word);
  else if (starts_name(*text))
    read_name(text, word);
  else if (*text == '\'' || *text == '"')
    read_quoted(text, word);
  else if (*text && strchr("+-*/", *text))
  {
    word->kind = WORD_SIGN;
    word->sign = *text;
  }
  else if (*text == '<' || *text == '>')
  {
    word->kind = WORD_COMPARE;
    word->sign = *text;
    word->strict = text[1] != '=';
    word->length = word->strict ? 1 : 2;
  }
}

/* ---- sums --------------------------------------------------------------------------------------------- */

struct sum
{
  double *factors; /* (space->count) */
  double constant;
};

struct parser
{
  const struct space *space;
  struct arena *arena;
  struct space_relation_fault *fault;
  struct word word; /* the next one */
};

static bool
refuse(struct parser *parser, const char *message, const char *hint)
{
  parser->fault->message = message ? message : "out of memory";
  parser->fault->hint = hint;
  return false;
}

static void
step(struct parser *parser)
{
  read_word(parser->word.start + parser->word.length, &parser->word);
}

/* "… at "rest of the text"", or "… at the end". */
static const char *
at_word(struct parser *parser, const char *what)
{
  const char *rest = parser->word.start;
  if (!*rest)
    return arena_printf(parser->arena, "%s at the end", what);
  return arena_printf(parser->arena, "%s at \"%.*s\"", what,
                      (int) text_utf8_cut(rest, strlen(rest), SHOWN), rest);
}

static bool
refuse_word(struct parser *parser)
{
  char c = *parser->word.start;
  const char *hint = NULL;
  if (c == '(' || c == ')')
    hint = "brackets are not read: write 2*a + 2*b for 2*(a + b)";
  else if (c == '=' || c == '!')
    hint = "a relation compares with <, <=, > or >=; to fix a parameter give it a plain value";
  else if (c == '\'' || c == '"')
    hint = "close the quote";
  return refuse(parser, at_word(parser, "cannot be read"), hint);
}

static bool
refuse_unknown(struct parser *parser)
{
  const struct space *space = parser->space;
  const char **names = arena_array(parser->arena, space->count + 1, sizeof *names);
  for (size_t i = 0; names && i < space->count; i++)
    names[i] = space->params[i].name;
  const char *nearest = names ? text_nearest(parser->word.name, names, space->count) : NULL;
  return refuse(parser, arena_printf(parser->arena, "unknown parameter \"%s\"", parser->word.name),
                nearest ? arena_printf(parser->arena, "did you mean \"%s\"?", nearest)
                        : "name parameters of this space; a name with other characters than "
                          "letters, digits, \"_\" and \".\" stands in quotes: 'max-units'");
}

/* The numeric parameter that the next word names. */
static bool
find_param(struct parser *parser, size_t *index)
{
  *index = space_find(parser->space, parser->word.name);
  if (*index == SIZE_MAX)
    return refuse_unknown(parser);
  const struct space_param *param = &parser->space->params[*index];
  bool numeric = param->kind == SPACE_FLOAT || param->kind == SPACE_INT
                 || param->kind == SPACE_ORDINAL || param->kind == SPACE_FIXED;
  for (size_t i = 0; numeric && i < param->value_count; i++)
    numeric = param->values[i].kind == SPACE_VALUE_NUMBER;
  if (!numeric)
    return refuse(parser,
                  arena_printf(parser->arena, "\"%s\" has values that are no numbers", param->name),
                  "rule out combinations of its values with \"$forbidden\"");
  return true;
}

/* A number or a name, times or by what was read of the term so far. */
static bool
read_operand(struct parser *parser, char sign, double *factor, size_t *param)
{
  struct word *word = &parser->word;
  if (word->kind == WORD_NAME)
  {
    if (*param != SIZE_MAX || sign == '/')
      return refuse(parser, at_word(parser, "is not linear"),
                    "multiply parameters by numbers only, and divide them by numbers only");
    if (!find_param(parser, param))
      return false;
  }
  else if (word->kind == WORD_NUMBER)
    *factor = sign == '/' ? *factor / word->number : *factor * word->number;
  else if (word->kind == WORD_END || word->kind == WORD_COMPARE || word->kind == WORD_SIGN)
    return refuse(parser, at_word(parser, "a number or a parameter is missing"), NULL);
  else
    return refuse_word(parser);
  step(parser);
  return true;
}

static bool
read_term(struct parser *parser, double sign, struct sum *sum)
{
  double factor = sign;
  size_t param = SIZE_MAX;
  if (!read_operand(parser, '*', &factor, &param))
    return false;
  while (parser->word.kind == WORD_SIGN && (parser->word.sign == '*' || parser->word.sign == '/'))
  {
    char next = parser->word.sign;
    step(parser);
    if (!read_operand(parser, next, &factor, &param))
      return false;
  }
  if (param == SIZE_MAX)
    sum->constant += factor;
  else
    sum->factors[param] += factor;
  return true;
}

/* Up to the next comparison or the end. */
static bool
read_sum(struct parser *parser, struct sum *sum)
{
  bool first = true;
  while (first || parser->word.kind == WORD_SIGN)
  {
    double sign = 1.0;
    for (; parser->word.kind == WORD_SIGN && (parser->word.sign == '+' || parser->word.sign == '-');
         step(parser))
      sign = parser->word.sign == '-' ? -sign : sign;
    if (!read_term(parser, sign, sum))
      return false;
    first = false;
  }
  if (parser->word.kind == WORD_COMPARE || parser->word.kind == WORD_END)
    return true;
  if (parser->word.kind == WORD_BAD)
    return refuse_word(parser);
  return refuse(parser, at_word(parser, "an operator is missing"), "write 2*x for 2 x");
}

/* left − right ≤ 0, or ≥ 0, as a relation. */
static bool
make_relation(struct parser *parser, const struct sum *left, const struct sum *right, char sign,
              bool strict, struct space_relation *relation)
{
  size_t n = parser->space->count;
  double way = sign == '<' ? 1.0 : -1.0;
  *relation = (struct space_relation){.strict = strict};
  relation->bound = way * (right->constant - left->constant) + 0.0; /* no −0 */
  size_t terms = 0;
  for (size_t i = 0; i < n; i++)
    terms += left->factors[i] != right->factors[i];
  relation->params = arena_array(parser->arena, terms, sizeof *relation->params);
  relation->factors = arena_array(parser->arena, terms, sizeof *relation->factors);
  if (!relation->params || !relation->factors)
    return refuse(parser, NULL, NULL);
  bool finite = isfinite(relation->bound);
  for (size_t i = 0; i < n; i++)
  {
    if (left->factors[i] == right->factors[i])
      continue;
    double factor = way * (left->factors[i] - right->factors[i]);
    finite = finite && isfinite(factor);
    relation->params[relation->count] = i;
    relation->factors[relation->count++] = factor;
  }
  if (!finite)
    return refuse(parser, "its numbers are too large", NULL);
  if (relation->count == 0)
    return refuse(parser, "depends on no parameter", "name at least one parameter of this space");
  return true;
}

static bool
sum_new(struct parser *parser, struct sum *sum)
{
  sum->constant = 0.0;
  sum->factors = arena_array(parser->arena, parser->space->count + 1, sizeof *sum->factors);
  return sum->factors != NULL;
}

static bool
read_chain(struct parser *parser, struct space_relation *relations, size_t *count)
{
  struct sum left, right;
  if (!sum_new(parser, &left))
    return refuse(parser, NULL, NULL);
  if (!read_sum(parser, &left))
    return false;
  if (parser->word.kind != WORD_COMPARE)
    return refuse(parser, "compares nothing", "give two sides with <, <=, > or >= between");
  while (parser->word.kind == WORD_COMPARE)
  {
    char sign = parser->word.sign;
    bool strict = parser->word.strict;
    if (*count == SPACE_RELATION_CHAIN_MAX)
      return refuse(parser, "has too many comparisons", "split it into several relations");
    step(parser);
    if (!sum_new(parser, &right))
      return refuse(parser, NULL, NULL);
    if (!read_sum(parser, &right)
        || !make_relation(parser, &left, &right, sign, strict, &relations[*count]))
      return false;
    ++*count;
    left = right;
  }
  return true;
}

enum err
space_relation_parse(const char *text, const struct space *space, struct arena *arena,
                     struct space_relation *relations, size_t *count,
                     struct space_relation_fault *fault)
{
  struct parser parser = {.space = space, .arena = arena, .fault = fault};
  *count = 0;
  *fault = (struct space_relation_fault){0};
  parser.word.start = text;
  step(&parser);
  if (read_chain(&parser, relations, count))
    return ERR_OK;
  return strcmp(fault->message, "out of memory") == 0 ? ERR_MEMORY : ERR_INVALID;
}

bool
space_relation_names(const char *text, const char *name)
{
  struct word word = {.start = text};
  for (read_word(text, &word); word.kind != WORD_END; read_word(word.start + word.length, &word))
    if (word.kind == WORD_NAME && strcmp(word.name, name) == 0)
      return true;
  return false;
}

/* ---- and back --------------------------------------------------------------------------------------- */

static void
print_name(const char *name, struct buf *out)
{
  bool plain = starts_name(*name);
  for (const char *c = name; *c; c++)
    plain = plain && continues_name(*c);
  if (plain)
  {
    buf_append_text(out, name);
    return;
  }
  buf_append_text(out, "'");
  for (const char *c = name; *c; c++)
    buf_printf(out, "%s%c", *c == '\'' ? "'" : "", *c);
  buf_append_text(out, "'");
}

/* The terms whose factors have this sign, joined by " + "; returns how many. */
static size_t
print_terms(const struct space *space, const struct space_relation *relation, double sign,
            struct buf *out)
{
  size_t printed = 0;
  char number[TEXT_DOUBLE_SIZE];
  for (size_t k = 0; k < relation->count; k++)
  {
    double factor = sign * relation->factors[k];
    if (!(factor > 0.0))
      continue;
    if (printed++ > 0)
      buf_append_text(out, " + ");
    if (factor != 1.0)
    {
      text_print_double(factor, number);
      buf_printf(out, "%s*", number);
    }
    print_name(space->params[relation->params[k]].name, out);
  }
  return printed;
}

void
space_relation_print(const struct space *space, const struct space_relation *relation,
                     struct buf *out)
{
  char number[TEXT_DOUBLE_SIZE];
  bool positive = false;
  for (size_t k = 0; k < relation->count; k++)
    positive = positive || relation->factors[k] > 0.0;
  /* without a positive factor everything changes sides: x >= 0.5, not -x <= -0.5 */
  double sign = positive ? 1.0 : -1.0, bound = sign * relation->bound;
  print_terms(space, relation, sign, out);
  buf_printf(out, " %s%s ", positive ? "<" : ">", relation->strict ? "" : "=");
  size_t printed = positive ? print_terms(space, relation, -1.0, out) : 0;
  if (printed > 0 && bound == 0.0)
    return;
  text_print_double(printed > 0 ? fabs(bound) : bound + 0.0, number);
  buf_printf(out, "%s%s", printed == 0 ? "" : bound < 0.0 ? " - " : " + ", number);
}

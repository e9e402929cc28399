#include <config.h>

#include "data/infer_types.h"

#include <string.h>
#include <strings.h>

#include "data/infer_internal.h"

#define FEW_ROWS 10      /* below, all different values prove nothing */
#define COUNTING_ROWS 20 /* below, a column may count by chance */
#define FEW_VALUES 20    /* so many different words are categories whatever their share */
#define ENTRY_BYTES 64   /* of a dictionary, beside the text */

/* What is settled for the file before its columns. */
struct settle
{
  struct infer *infer;
  char delimiter;
  bool commas; /* some column can only be read with decimal commas */
  size_t dictionary_left;
};

static bool
has(unsigned mask, unsigned bit)
{
  return (mask & (1u << bit)) != 0;
}

static enum err
add_note(struct infer *infer, struct column_guess *guess, const char *note)
{
  guess->note =
    guess->note == NULL ? note : arena_printf(infer->arena, "%s; %s", guess->note, note);
  return guess->note != NULL ? ERR_OK : ERR_MEMORY;
}

static uint64_t
present(const struct infer_column *column)
{
  return column->rows - column->guess.missing;
}

/* An estimate within its error of the number of values counts as that number. */
static bool
all_different(const struct infer_column *column)
{
  uint64_t n = present(column);
  if (column->guess.distinct_exact)
    return column->guess.distinct == n;
  return (double) column->guess.distinct >= 0.95 * (double) n;
}

/* "id", "customer_id", "customer id", "customerId", "CustomerID", "uuid", "guid". */
static bool
named_like_identifier(const char *name)
{
  size_t length = strlen(name);
  if (strcasecmp(name, "id") == 0 || strcasecmp(name, "uuid") == 0 || strcasecmp(name, "guid") == 0)
    return true;
  if (length < 3 || strcasecmp(name + length - 2, "id") != 0)
    return false;
  char before = name[length - 3];
  bool lower = before >= 'a' && before <= 'z';
  return before == '_' || before == '-' || before == ' ' || before == '.'
         || (lower && name[length - 2] == 'I');
}

/* What people and programs call the number of a row; a column without a name is likely to be one,
 * unless it is one of two. */
static bool
named_like_row_number(const struct settle *settle, const char *name)
{
  static const char *const names[] = {"index",    "row",        "rowid", "row number",
                                      "rownames", "unnamed: 0", "no",    "no.",
                                      "nr",       "nr.",        "#",     "obs"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcasecmp(name, names[i]) == 0)
      return true;
  return settle->infer->column_count > 2 && strcmp(name, "column_1") == 0;
}

/* Notes the other meaning of separators that have two. Whole numbers stay what they are, unless every number
 * has a separator: so they must not be taken for turned ones. */
static enum err
note_doubt(const struct settle *settle, struct infer_column *column, enum number_format other,
           bool up, const char *reading)
{
  struct column_guess *guess = &column->guess;
  bool clear = up ? !(column->plain && column->round) : !column->plain_large;
  guess->other = (struct number_reading){clear, other, up, !column->plain};
  const char *note =
    clear ? arena_printf(settle->infer->arena, "%s; if they are not, set its format to \"%s\"",
                         reading, number_format_name(other))
          : arena_printf(settle->infer->arena,
                         "%s; if they are not, upload the file with plain numbers", reading);
  return note != NULL ? add_note(settle->infer, guess, note) : ERR_MEMORY;
}

static enum err
settle_number_format(const struct settle *settle, struct infer_column *column)
{
  struct column_guess *guess = &column->guess;
  unsigned mask = column->numbers;
  guess->type = COLUMN_NUMERIC;
  if (has(mask, NUMBER_POINT))
  {
    bool points_group = has(mask, NUMBER_COMMA_GROUPED) && !has(mask, NUMBER_COMMA);
    guess->number_format = points_group && settle->commas ? NUMBER_COMMA_GROUPED : NUMBER_POINT;
    if (!points_group)
      return ERR_OK;
    return settle->commas
             ? note_doubt(settle, column, NUMBER_POINT, false,
                          "points are read as thousands, because other columns have decimal commas")
             : note_doubt(settle, column, NUMBER_COMMA_GROUPED, true, "points are read as decimal");
  }
  if (has(mask, NUMBER_COMMA) && has(mask, NUMBER_POINT_GROUPED))
  {
    bool decimal = settle->delimiter == ';' || settle->commas;
    guess->number_format = decimal ? NUMBER_COMMA : NUMBER_POINT_GROUPED;
    return decimal
             ? note_doubt(settle, column, NUMBER_POINT_GROUPED, true,
                          "commas are read as decimal commas")
             : note_doubt(settle, column, NUMBER_COMMA, false, "commas are read as thousands");
  }
  guess->number_format = has(mask, NUMBER_COMMA)           ? NUMBER_COMMA
                         : has(mask, NUMBER_POINT_GROUPED) ? NUMBER_POINT_GROUPED
                                                           : NUMBER_COMMA_GROUPED;
  return add_note(settle->infer, guess,
                  guess->number_format == NUMBER_POINT_GROUPED ? "commas are read as thousands"
                                                               : "numbers have a decimal comma");
}

static enum err
settle_numbers(const struct settle *settle, struct infer_column *column)
{
  struct column_guess *guess = &column->guess;
  uint64_t n = present(column);
  bool counting =
    column->counts_rows && n >= COUNTING_ROWS && named_like_row_number(settle, guess->name);
  if (column->whole && all_different(column) && n >= FEW_ROWS
      && (counting || named_like_identifier(guess->name)))
  {
    guess->type = COLUMN_IDENTIFIER;
    return add_note(settle->infer, guess,
                    counting
                      ? "it counts the rows, so it is taken as an identifier and not learned "
                        "from; make it numeric if it means something"
                      : "a different number in every row and a name like an identifier's, so "
                        "it is not learned from; make it numeric if it means something");
  }
  return settle_number_format(settle, column);
}

static enum err
settle_dates(const struct settle *settle, struct infer_column *column)
{
  struct column_guess *guess = &column->guess;
  guess->type = COLUMN_DATETIME;
  if (has(column->dates, DATETIME_ISO))
  {
    guess->datetime_format = DATETIME_ISO;
    return ERR_OK;
  }
  bool both = has(column->dates, DATETIME_DMY) && has(column->dates, DATETIME_MDY);
  bool month_first = both ? column->slashes : has(column->dates, DATETIME_MDY);
  guess->datetime_format = month_first ? DATETIME_MDY : DATETIME_DMY;
  if (!both)
    return add_note(settle->infer, guess,
                    month_first ? "dates are month, day, year" : "dates are day, month, year");
  return add_note(settle->infer, guess,
                  month_first
                    ? "the order of day and month is not clear; read as month, day, year: "
                      "set the format to \"dmy\" if the day comes first"
                    : "the order of day and month is not clear; read as day, month, year: "
                      "set the format to \"mdy\" if the month comes first");
}

static bool
dictionary_fits(const struct settle *settle, const struct infer_column *column)
{
  return column->guess.distinct_exact
         && column->distinct_text + ENTRY_BYTES * column->guess.distinct <= settle->dictionary_left;
}

static enum column_type
choose_words_type(const struct settle *settle, const struct infer_column *column)
{
  uint64_t n = present(column);
  double words = (double) column->words / (double) n;
  double share = (double) column->guess.distinct / (double) column->rows;
  if (n >= FEW_ROWS && all_different(column))
    return words >= 3 ? COLUMN_TEXT : COLUMN_IDENTIFIER;
  if (!dictionary_fits(settle, column))
    return COLUMN_TEXT;
  if (column->guess.distinct <= FEW_VALUES)
    return COLUMN_CATEGORICAL;
  if (share > 0.5 || (words >= 4 && share > 0.2))
    return COLUMN_TEXT;
  return COLUMN_CATEGORICAL;
}

static enum err
note_words(const struct settle *settle, struct infer_column *column)
{
  struct infer *infer = settle->infer;
  struct column_guess *guess = &column->guess;
  uint64_t n = present(column);
  if (column->digits_only)
    return add_note(
      infer, guess,
      "digits with leading zeros, or more than 15 of them, are kept as they are; make "
      "it numeric if they are numbers");
  if (column->number_like > 0 && column->number_like * 10 >= n * 9 && column->odd_value != NULL)
  {
    const char *note = arena_printf(
      infer->arena, "%llu of %llu values are numbers; the first other one is \"%s\" in row %llu",
      (unsigned long long) column->number_like, (unsigned long long) n, column->odd_value,
      (unsigned long long) column->odd_row);
    return note != NULL ? add_note(infer, guess, note) : ERR_MEMORY;
  }
  if (guess->type == COLUMN_IDENTIFIER)
    return add_note(
      infer, guess,
      "a different value in every row, so it is not learned from; make it text if its "
      "letters tell something");
  if (guess->type == COLUMN_TEXT)
    return add_note(infer, guess,
                    "many different values, so it is read as text; make it categorical if they are "
                    "categories");
  return ERR_OK;
}

static enum err
settle_words(struct settle *settle, struct infer_column *column)
{
  struct column_guess *guess = &column->guess;
  if (column->truths != 0 && guess->words[0] != NULL && guess->words[1] != NULL)
  {
    guess->type = COLUMN_BOOLEAN;
    return guess->distinct > 2
             ? add_note(settle->infer, guess, "spellings that differ in case are one value")
             : ERR_OK;
  }
  guess->type = choose_words_type(settle, column);
  if (guess->type == COLUMN_CATEGORICAL)
    settle->dictionary_left -= (size_t) (column->distinct_text + ENTRY_BYTES * guess->distinct);
  return note_words(settle, column);
}

static enum err
settle_column(struct settle *settle, size_t index)
{
  struct infer_column *column = &settle->infer->columns[index];
  if (present(column) == 0)
  {
    column->guess.type = COLUMN_NUMERIC;
    return add_note(settle->infer, &column->guess, "every value is missing");
  }
  if (column->numbers != 0)
    return settle_numbers(settle, column);
  if (column->dates != 0)
    return settle_dates(settle, column);
  return settle_words(settle, column);
}

enum err
infer_settle(struct infer *infer, char delimiter, size_t dictionary_bytes)
{
  struct settle settle = {
    .infer = infer, .delimiter = delimiter, .dictionary_left = dictionary_bytes};
  for (size_t c = 0; c < infer->column_count; c++)
  {
    struct infer_column *column = &infer->columns[c];
    column->guess.distinct = distinct_count(column->distinct);
    column->guess.distinct_exact = distinct_is_exact(column->distinct);
    distinct_free(column->distinct);
    column->distinct = NULL;
    settle.commas =
      settle.commas
      || (present(column) > 0 && has(column->numbers, NUMBER_COMMA)
          && !has(column->numbers, NUMBER_POINT) && !has(column->numbers, NUMBER_POINT_GROUPED));
  }
  enum err err = ERR_OK;
  for (size_t c = 0; err == ERR_OK && c < infer->column_count; c++)
    err = settle_column(&settle, c);
  return err;
}

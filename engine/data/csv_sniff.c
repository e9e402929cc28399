#include <config.h>

#include "data/csv_sniff.h"

#include <string.h>
#include <strings.h>

#define SNIFF_RECORDS 50

static bool
starts_with(const char *bytes, size_t length, const char *start, size_t start_length)
{
  return length >= start_length && memcmp(bytes, start, start_length) == 0;
}

static enum err
refuse_other_kinds(const char *bytes, size_t length, struct err_info *info)
{
  if (starts_with(bytes, length, "\xff\xfe", 2) || starts_with(bytes, length, "\xfe\xff", 2))
    return err_set(info, ERR_INVALID, "the file is UTF-16; save it as CSV in UTF-8");
  if (starts_with(bytes, length, "PK\x03\x04", 4))
    return err_set(info, ERR_INVALID,
                   "the file is a zip archive or an Excel workbook; save the sheet as CSV");
  if (starts_with(bytes, length, "\xd0\xcf\x11\xe0", 4))
    return err_set(info, ERR_INVALID, "the file is an old Excel workbook; save the sheet as CSV");
  if (starts_with(bytes, length, "\x1f\x8b", 2))
    return err_set(info, ERR_INVALID, "the file is gzip; unpack it first");
  if (starts_with(bytes, length, "PAR1", 4))
    return err_set(info, ERR_INVALID, "the file is Parquet; save it as CSV");
  return ERR_OK;
}

/* Fields per record of the first records under one delimiter. */
struct tally
{
  size_t records, first, matching; /* matching: records with as many fields as the first */
};

static void
tally_record(struct tally *tally, size_t fields)
{
  if (tally->records == 0)
    tally->first = fields;
  tally->records++;
  tally->matching += fields == tally->first;
}

static struct tally
count_fields(const char *bytes, size_t length, char delimiter, char newline, bool whole)
{
  struct tally tally = {0};
  bool inside = false, opening = true;
  size_t fields = 1, record_start = 0;
  for (size_t i = 0; i < length && tally.records < SNIFF_RECORDS; i++)
  {
    char c = bytes[i];
    if (c == '"')
    {
      if (inside || opening)
        inside = !inside;
      opening = inside;
    }
    else if (inside)
      continue;
    else if (c == newline)
    {
      if (i > record_start && !(i == record_start + 1 && bytes[record_start] == '\r'))
        tally_record(&tally, fields);
      fields = 1;
      record_start = i + 1;
      opening = true;
    }
    else
    {
      fields += c == delimiter;
      opening = c == delimiter || (opening && c == ' ');
    }
  }
  if (whole && !inside && record_start < length && tally.records < SNIFF_RECORDS)
    tally_record(&tally, fields);
  return tally;
}

/* The delimiter under which most records have the same number (over one) of fields; among equals
 * the one with more fields, then the earlier of the list. */
static char
find_delimiter(const char *bytes, size_t length, char newline, bool whole)
{
  static const char candidates[] = {',', ';', '\t', '|'};
  char best = ',';
  double best_score = 0;
  for (size_t d = 0; d < sizeof candidates; d++)
  {
    struct tally tally = count_fields(bytes, length, candidates[d], newline, whole);
    if (tally.records == 0 || tally.first < 2)
      continue;
    double agreement = (double) tally.matching / (double) tally.records;
    double score = agreement * agreement * 1000.0 + (double) tally.first;
    if (tally.first > 500)
      score = agreement * agreement * 1000.0 + 500.0;
    if (score > best_score)
    {
      best_score = score;
      best = candidates[d];
    }
  }
  return best;
}

enum err
csv_sniff(const char *bytes, size_t length, bool whole, struct csv_form *form,
          struct err_info *info)
{
  form->skip = 0;
  form->skipped_lines = 0;
  enum err err = refuse_other_kinds(bytes, length, info);
  if (err != ERR_OK)
    return err;
  if (starts_with(bytes, length, "\xef\xbb\xbf", 3))
    form->skip = 3;
  form->newline =
    memchr(bytes, '\n', length) == NULL && memchr(bytes, '\r', length) != NULL ? '\r' : '\n';
  const char *rest = bytes + form->skip;
  size_t left = length - form->skip;
  /* Excel's own way to name the delimiter. */
  if (left >= 6 && strncasecmp(rest, "sep=", 4) == 0
      && (rest[5] == form->newline || (rest[5] == '\r' && left >= 7 && rest[6] == '\n')))
  {
    if (form->delimiter == 0)
      form->delimiter = rest[4];
    size_t line = rest[5] == form->newline ? 6 : 7;
    form->skip += line;
    form->skipped_lines = 1;
    rest += line;
    left -= line;
  }
  if (form->delimiter == 0)
    form->delimiter = find_delimiter(rest, left, form->newline, whole);
  return ERR_OK;
}

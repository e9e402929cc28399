/* What went wrong, as a code a caller can switch on and a sentence a person can read.
 *
 * Every function that can fail returns `enum err` and, where the reason matters, writes the sentence
 * into a caller-owned `struct err_info` (which may be NULL). Sentences are lower case, give the
 * reason, and name no function. No allocation, safe from any thread.
 */
#ifndef ATTUNE_BASE_ERR_H
#define ATTUNE_BASE_ERR_H

enum err
{
  ERR_OK = 0,
  ERR_MEMORY,      /* an allocation failed or a size overflowed */
  ERR_IO,          /* a file, pipe or socket failed */
  ERR_INVALID,     /* the input is at fault; the text says where */
  ERR_NOT_FOUND,   /* no such thing */
  ERR_CONFLICT,    /* not possible in the present state */
  ERR_LIMIT,       /* a configured limit was met; the text names it */
  ERR_UNAVAILABLE, /* may work later, such as the database being away */
  ERR_CANCELLED,   /* asked to stop */
  ERR_TIMEOUT,     /* ran out of time */
  ERR_DIVERGED,    /* training produced numbers that are not finite */
  ERR_INTERNAL     /* our own fault */
};

struct err_info
{
  enum err code;
  char text[512];
};

/* Fills *info (if not NULL) with code and the formatted text, truncated to fit; returns code. */
enum err err_set(struct err_info *info, enum err code, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* As err_set, with ": " and the text of errno `number` appended. */
enum err err_set_errno(struct err_info *info, enum err code, int number, const char *format, ...)
  __attribute__((format(printf, 4, 5)));

/* Puts the formatted text and ": " before the text that *info holds; returns info's code. */
enum err err_prefix(struct err_info *info, const char *format, ...)
  __attribute__((format(printf, 2, 3)));

/* The code's stable lower-case name, such as "invalid"; never NULL. */
const char *err_name(enum err code);

#endif

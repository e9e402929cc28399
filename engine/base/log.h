/* Log lines on standard error: level, time, message, and the ids the thread is working on.
 *
 * Format is text, or one JSON object a line. The level and format are process-wide and set once by
 * main before threads start; ids are per thread. A line is written by one write(2), so lines of
 * threads and processes never mix. Newlines and control characters in a message are escaped.
 */
#ifndef ATTUNE_BASE_LOG_H
#define ATTUNE_BASE_LOG_H

#include <stdbool.h>

enum log_level
{
  LOG_LEVEL_DEBUG,
  LOG_LEVEL_INFO,
  LOG_LEVEL_WARNING,
  LOG_LEVEL_ERROR
};

/* Sets program name (borrowed for ever), least level written, and JSON lines instead of text. */
void log_setup(const char *program, enum log_level least, bool json_lines);

/* Parses "debug", "info", "warning", "error"; false if it is none of them. */
bool log_level_parse(const char *name, enum log_level *level);

/* Sets this thread's request id or job id for its next lines (copied, at most 63 bytes); NULL clears. */
void log_request_id(const char *id);
void log_job_id(const char *id);

/* Whether lines of that level are written, for who would have to gather what they say. */
bool log_is_written(enum log_level level);

/* Writes one line. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif

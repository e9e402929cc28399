/* An uploaded CSV file: split, typed, written as a dataset, and read back. */
#include <config.h>

#include "base/arena.h"
#include "data/csv.h"
#include "data/dataset.h"
#include "data/ingest_work.h"
#include "tests/fuzz/fuzz.h"

static void
split(const uint8_t *data, size_t size, char delimiter)
{
  struct csv_options options = {.delimiter = delimiter, .max_columns = 50, .max_record = 4096};
  struct csv_reader *reader = NULL;
  const struct csv_field *fields;
  size_t count = 1, sum = 0;
  if (csv_open_bytes((const char *) data, size, &options, &reader, NULL) != ERR_OK)
    return;
  while (count > 0)
  {
    enum err err = csv_next(reader, &fields, &count, NULL);
    if (err == ERR_INVALID && csv_can_go_on(reader))
      continue;
    if (err != ERR_OK)
      break;
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < fields[i].length; k++)
        sum += (unsigned char) fields[i].text[k];
  }
  if (csv_bytes(reader) > size || (sum == 0 && csv_line(reader) > size + 1))
    abort();
  csv_close(reader);
}

static void
read_back(int fd)
{
  struct dataset *dataset = NULL;
  json_t *preview = NULL, *profile = NULL;
  if (dataset_open_fd(fd, &dataset, NULL) != ERR_OK)
    abort(); /* what was just written must be readable */
  dataset_preview(dataset, 0, 20, &preview, NULL);
  dataset_profile(dataset, 0, &profile, NULL);
  json_decref(preview);
  json_decref(profile);
  dataset_close(dataset);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char delimiters[] = {0, ',', ';', '\t', '|', 0, 0, 0};
  if (size < 1)
    return 0;
  uint8_t choice = data[0];
  split(data + 1, size - 1, delimiters[choice % sizeof delimiters]);

  struct ingest_limits limits = {.max_bytes = 1 << 20,
                                 .max_output = 1 << 24,
                                 .max_rows = 2000,
                                 .max_columns = 100,
                                 .max_cell_bytes = 4096,
                                 .max_seconds = 5,
                                 .max_memory = 1 << 28};
  struct arena *arena = arena_new(0);
  struct json_faults faults;
  struct err_info info = {.text = ""};
  if (arena == NULL)
    abort();
  json_faults_init(&faults, arena);
  struct ingest_work work = {.input = fuzz_file(data + 1, size - 1),
                             .labels = -1,
                             .output = fuzz_file(NULL, 0),
                             .header = (enum ingest_header)(choice / 8 % 3),
                             .delimiter = delimiters[choice % sizeof delimiters],
                             .limits = limits,
                             .faults = &faults};
  if (ingest_csv(&work, &info) == ERR_OK)
    read_back(work.output);
  else if (info.text[0] == '\0')
    abort(); /* a refusal says why */
  json_decref(work.schema);
  close(work.input);
  close(work.output);
  arena_free(arena);
  return 0;
}

/* A pair of IDX files, gzip or not: images, then labels, split by a length in the first two bytes. */
#include <config.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "data/ingest_work.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 2)
    return 0;
  size_t images = (size_t) data[0] << 8 | data[1];
  images = images < size - 2 ? images : size - 2;

  struct ingest_limits limits = {.max_bytes = 1 << 20,
                                 .max_output = 1 << 22,
                                 .max_rows = 2000,
                                 .max_columns = 100,
                                 .max_cell_bytes = 4096,
                                 .max_seconds = 5,
                                 .max_memory = 1 << 28};
  struct arena *arena = arena_new(0);
  struct json_faults faults;
  struct err_info info = {.text = ""};
  struct dataset *dataset = NULL;
  if (arena == NULL)
    abort();
  json_faults_init(&faults, arena);
  struct ingest_work work = {.input = fuzz_file(data + 2, images),
                             .labels = fuzz_file(data + 2 + images, size - 2 - images),
                             .output = fuzz_file(NULL, 0),
                             .limits = limits,
                             .faults = &faults};
  if (ingest_idx(&work, &info) == ERR_OK)
  {
    if (dataset_open_fd(work.output, &dataset, NULL) != ERR_OK)
      abort();
    dataset_close(dataset);
  }
  else if (info.text[0] == '\0')
    abort();
  json_decref(work.schema);
  close(work.input);
  close(work.labels);
  close(work.output);
  arena_free(arena);
  return 0;
}

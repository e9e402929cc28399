/* Reads IDX files (the format of MNIST), gzip or not: a magic number, big-endian sizes, bytes.
 *
 * What may be read is bounded by the sizes the file states, and those by the limits, before
 * anything is unpacked. Owns a decompressor and buffers, not the descriptor. One thread.
 */
#ifndef ATTUNE_DATA_IDX_H
#define ATTUNE_DATA_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IDX_MAX_DIMS 4

struct idx_reader;

/* Reads the head of the file in `fd` from offset 0. `what` names the file in messages ("images").
 * ERR_INVALID when it is no IDX file of unsigned bytes, or states more than `max_bytes`. */
enum err idx_open(int fd, const char *what, uint64_t max_bytes, struct idx_reader **reader,
                  struct err_info *info);
void idx_close(struct idx_reader *reader);

size_t idx_dim_count(const struct idx_reader *reader);
uint64_t idx_dim(const struct idx_reader *reader, size_t dim);

/* The next `length` data bytes, all of them or ERR_INVALID. */
enum err idx_read(struct idx_reader *reader, uint8_t *bytes, size_t length, struct err_info *info);

/* After all data: ERR_INVALID if the file goes on. */
enum err idx_check_end(struct idx_reader *reader, struct err_info *info);

#endif

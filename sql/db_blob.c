#include <config.h>

#include "sql/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "sql/db_conn.h"
#include "sql/db_io.h"
#include "sql/db_value.h"

/* A blob is written by COPY in binary, so that a chunk goes out in pieces and neither side of the socket
 * holds more of the blob than a chunk. One COPY takes COPY_CHUNKS chunks: the statement timeout is for
 * each. It is read in slices of a chunk, which bytea stored EXTERNAL gives without reading the rest. */
#define CHUNK_BYTES (UINT64_C(4) << 20)
#define COPY_CHUNKS 16
#define PIECE_BYTES ((size_t) 256 << 10)
#define SLICE_BYTES (1 << 20)

struct writer
{
  struct db_conn *conn;
  long (*read_fn)(void *context, char *bytes, size_t size);
  void *context;
  int64_t blob_id;
  uint64_t left; /* bytes not yet sent */
  int seq;       /* of the next chunk */
  char *piece;
  struct sha256 *hash;
};

static enum db_status
send_copy(struct writer *writer, const char *bytes, size_t size)
{
  if (PQputCopyData(writer->conn->pg, bytes, (int) size) == 1 && db_io_flush(writer->conn))
    return DB_ROWS;
  db_io_break(writer->conn); /* what was half sent can't be taken back */
  return db_conn_fail(writer->conn, NULL, "blob_copy");
}

/* The row's head: three fields, (8) blob_id, (4) seq, and the length of the data that follow. */
static enum db_status
send_row_head(struct writer *writer, uint64_t length)
{
  char head[2 + 4 + 8 + 4 + 4 + 4];
  db_put_big(head, 3, 2);
  db_put_big(head + 2, 8, 4);
  db_put_big(head + 6, (uint64_t) writer->blob_id, 8);
  db_put_big(head + 14, 4, 4);
  db_put_big(head + 18, (uint64_t) writer->seq, 4);
  db_put_big(head + 22, length, 4);
  return send_copy(writer, head, sizeof head);
}

static enum db_status
send_chunk(struct writer *writer)
{
  uint64_t length = writer->left < CHUNK_BYTES ? writer->left : CHUNK_BYTES;
  enum db_status status = send_row_head(writer, length);
  while (length > 0 && status == DB_ROWS)
  {
    size_t wanted = length < PIECE_BYTES ? (size_t) length : PIECE_BYTES;
    long got = writer->read_fn(writer->context, writer->piece, wanted);
    if (got <= 0 || (size_t) got > wanted)
      return db_conn_fault(writer->conn, "blob_write",
                           got < 0 ? "its bytes could not be read"
                                   : "it has fewer bytes than were announced");
    sha256_update(writer->hash, writer->piece, (size_t) got);
    status = send_copy(writer, writer->piece, (size_t) got);
    length -= (uint64_t) got;
    writer->left -= (uint64_t) got;
  }
  writer->seq++;
  return status;
}

/* Ends the COPY; with a failure, so that the server drops what it has. */
static enum db_status
end_copy(struct writer *writer, enum db_status status)
{
  struct db_conn *conn = writer->conn;
  int ended = PQputCopyEnd(conn->pg, status == DB_ROWS ? NULL : "the writer failed");
  if (ended != 1 && status == DB_ROWS)
    status = db_conn_fail(conn, NULL, "blob_copy");
  for (PGresult *result; (result = db_io_next(conn)) != NULL; PQclear(result))
    if (PQresultStatus(result) != PGRES_COMMAND_OK && status == DB_ROWS)
      status = db_conn_fail(conn, result, "blob_copy");
  return status;
}

static enum db_status
copy_chunks(struct writer *writer)
{
  static const char header[19] = "PGCOPY\n\377\r\n";
  struct db_conn *conn = writer->conn;
  PGresult *result =
    db_io_exec(conn, "COPY blob_chunk (blob_id, seq, data) FROM STDIN (FORMAT binary)");
  enum db_status status = DB_ROWS;
  if (PQresultStatus(result) != PGRES_COPY_IN)
    status = db_conn_fail(conn, result, "blob_copy");
  PQclear(result);
  if (status != DB_ROWS)
    return status;
  status = send_copy(writer, header, sizeof header);
  for (int i = 0; i < COPY_CHUNKS && writer->left > 0 && status == DB_ROWS; i++)
    status = send_chunk(writer);
  if (status == DB_ROWS)
    status = send_copy(writer, "\377\377", 2);
  return end_copy(writer, status);
}

/* All bytes are sent: there must be no more, and they must be the announced ones. */
static enum db_status
check_written(struct writer *writer, const uint8_t sha256[32])
{
  unsigned char digest[32];
  long more = writer->read_fn(writer->context, writer->piece, 1);
  if (more != 0)
    return db_conn_fault(writer->conn, "blob_write",
                         more < 0 ? "its bytes could not be read"
                                  : "it has more bytes than were announced");
  sha256_end(writer->hash, digest);
  writer->hash = NULL;
  if (memcmp(digest, sha256, sizeof digest) != 0)
    return db_conn_fault(writer->conn, "blob_write", "its bytes are not those of its digest");
  return DB_ROWS;
}

enum db_status
db_blob_write(struct db_conn *conn, long (*read_fn)(void *context, char *bytes, size_t size),
              void *context, const uint8_t sha256[32], uint64_t bytes, int64_t *blob_id)
{
  static const struct db_statement insert = {
    "blob_insert", "INSERT INTO blob (sha256, bytes) VALUES ($1, $2) RETURNING id"};
  if (!db_in_tx(conn))
    return db_conn_fault(conn, "blob_write", "it needs a transaction");
  if (bytes > INT64_MAX)
    return db_conn_fault(conn, "blob_write", "it is too long");
  struct writer writer = {
    .conn = conn, .read_fn = read_fn, .context = context, .left = bytes, .seq = 0};
  writer.piece = malloc(PIECE_BYTES);
  writer.hash = sha256_new();
  enum db_status status = DB_ROWS;
  if (writer.piece == NULL || writer.hash == NULL)
    status = db_conn_fault(conn, "blob_write", "out of memory");
  if (status == DB_ROWS)
    status = db_exec_one(conn, &insert, DB_PARAMS(db_hash(sha256), db_int8((int64_t) bytes)),
                         DB_SCALAR(DB_INT8), NULL, &writer.blob_id);
  while (status == DB_ROWS && writer.left > 0)
    status = copy_chunks(&writer);
  if (status == DB_ROWS)
    status = check_written(&writer, sha256);
  if (status == DB_ROWS)
    *blob_id = writer.blob_id;
  sha256_end(writer.hash, NULL);
  free(writer.piece);
  return status;
}

struct memory
{
  const char *bytes;
  size_t left;
};

static long
read_memory(void *context, char *bytes, size_t size)
{
  struct memory *memory = context;
  size_t count = size < memory->left ? size : memory->left;
  if (count > 0)
    memcpy(bytes, memory->bytes, count);
  memory->bytes += count;
  memory->left -= count;
  return (long) count;
}

enum db_status
db_blob_write_bytes(struct db_conn *conn, const void *bytes, size_t length, int64_t *blob_id)
{
  struct memory memory = {.bytes = length > 0 ? bytes : "", .left = length};
  uint8_t digest[SHA256_BYTES];
  sha256_of(memory.bytes, length, digest);
  return db_blob_write(conn, read_memory, &memory, digest, length, blob_id);
}

struct blob_row
{
  uint8_t sha256[32];
  uint64_t bytes;
};

static enum db_status
find_blob(struct db_conn *conn, int64_t blob_id, struct blob_row *blob)
{
  static const struct db_statement get = {"blob_get",
                                          "SELECT sha256, bytes FROM blob WHERE id = $1"};
  static const struct db_column columns[] = {{DB_HASH, offsetof(struct blob_row, sha256), 0},
                                             {DB_UINT8, offsetof(struct blob_row, bytes), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_int8(blob_id)), DB_COLUMNS(columns), NULL, blob);
}

struct slice
{
  const void *data;
  size_t size;
  int chunk_size;
};

/* DB_HARD when the blob is there without this slice, DB_NONE when it was deleted in the meantime. */
static enum db_status
find_slice(struct db_conn *conn, int64_t blob_id, int seq, int offset, struct arena *arena,
           struct slice *slice)
{
  static const struct db_statement get = {
    "blob_slice", "SELECT substring(data FROM $3 + 1 FOR $4), octet_length(data)"
                  " FROM blob_chunk WHERE blob_id = $1 AND seq = $2"};
  static const struct db_column columns[] = {
    {DB_BYTES, offsetof(struct slice, data), offsetof(struct slice, size)},
    {DB_INT4, offsetof(struct slice, chunk_size), 0}};
  enum db_status status = db_exec_one(
    conn, &get, DB_PARAMS(db_int8(blob_id), db_int4(seq), db_int4(offset), db_int4(SLICE_BYTES)),
    DB_COLUMNS(columns), arena, slice);
  if (status == DB_ROWS && slice->size > 0)
    return DB_ROWS;
  if (status < DB_NONE)
    return status;
  struct blob_row blob;
  status = find_blob(conn, blob_id, &blob);
  if (status == DB_ROWS)
    status = db_conn_fault(conn, "blob_read", "chunk %d of blob %lld is missing or cut short", seq,
                           (long long) blob_id);
  return status;
}

enum db_status
db_blob_read(struct db_conn *conn, int64_t blob_id,
             bool (*write_fn)(void *context, const char *bytes, size_t size), void *context)
{
  struct blob_row blob;
  enum db_status status = find_blob(conn, blob_id, &blob);
  if (status != DB_ROWS)
    return status;
  struct arena *arena = arena_new(0);
  struct sha256 *hash = sha256_new();
  if (arena == NULL || hash == NULL)
  {
    status = db_conn_fault(conn, "blob_read", "out of memory");
    goto out;
  }
  uint64_t left = blob.bytes;
  int seq = 0, offset = 0;
  while (left > 0)
  {
    struct slice slice;
    arena_reset(arena);
    status = find_slice(conn, blob_id, seq, offset, arena, &slice);
    if (status != DB_ROWS)
      goto out;
    sha256_update(hash, slice.data, slice.size);
    if (slice.size > left || !write_fn(context, slice.data, slice.size))
    {
      status = db_conn_fault(conn, "blob_read",
                             slice.size > left ? "blob %lld is longer than its row says"
                                               : "blob %lld could not be written by its reader",
                             (long long) blob_id);
      goto out;
    }
    left -= slice.size;
    offset += (int) slice.size;
    if (offset >= slice.chunk_size)
    {
      seq++;
      offset = 0;
    }
  }
  unsigned char digest[32];
  sha256_end(hash, digest);
  hash = NULL;
  if (memcmp(digest, blob.sha256, sizeof digest) != 0)
    status =
      db_conn_fault(conn, "blob_read", "blob %lld does not match its digest", (long long) blob_id);
out:
  sha256_end(hash, NULL);
  arena_free(arena);
  return status;
}

enum db_status
db_blob_delete(struct db_conn *conn, int64_t blob_id)
{
  static const struct db_statement delete = {"blob_delete", "DELETE FROM blob WHERE id = $1"};
  return db_exec_none(conn, &delete, DB_PARAMS(db_int8(blob_id)));
}

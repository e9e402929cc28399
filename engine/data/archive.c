#include <config.h>

#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <uchar.h>
#include <unistd.h>

#include "base/text.h"

#define BLOCK_BYTES ((size_t) 64 << 10)
/* Zeros packed by gzip come to about 1,000 times their size, images to 1, text seldom to more than 20. */
#define RATIO_MAX 200u
#define RATIO_FREE_BYTES ((uint64_t) 32 << 20)
#define PATH_BYTES_MAX 4096u

struct archive_walk
{
  struct archive *reader;
  struct archive_limits limits;
  uint64_t packed_bytes; /* of the archive's file */
  uint64_t entries, unpacked_bytes;
  bool in_entry; /* one was begun, and may not be read to its end */
  char *path;
};

/* ---- open ------------------------------------------------------------------------------------------ */

/* What the library says, in our words where they are better. */
static enum err
reader_failed(struct archive_walk *walk, struct err_info *info)
{
  const char *text = archive_error_string(walk->reader);
  if (archive_errno(walk->reader) == ENOMEM)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (text != NULL
      && (strcasestr(text, "encrypt") != NULL || strcasestr(text, "passphrase") != NULL))
    return err_set(info, ERR_INVALID, "the archive is encrypted; pack it again without a password");
  return err_set(info, ERR_INVALID,
                 "the archive is damaged or not whole (%.100s); pack and upload it again",
                 text != NULL ? text : "it can't be read");
}

/* A zip that was cut off has lost the directory at its end; the library would take what is left of it. */
static enum err
check_zip_end(int fd, uint64_t size, struct err_info *info)
{
  static const size_t tail_most = ((size_t) 64 << 10) + 22;
  char head[4];
  size_t length = size < tail_most ? (size_t) size : tail_most;
  ssize_t begin = pread(fd, head, sizeof head, 0);
  if (begin < 0)
    return err_set_errno(info, ERR_IO, errno, "could not read the archive");
  if (begin != (ssize_t) sizeof head || memcmp(head, "PK\3\4", 4) != 0)
    return ERR_OK;
  char *tail = malloc(length);
  if (tail == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  ssize_t got = pread(fd, tail, length, (off_t) (size - length));
  int number = errno;
  bool whole = got > 0 && memmem(tail, (size_t) got, "PK\5\6", 4) != NULL;
  free(tail);
  if (got < 0)
    return err_set_errno(info, ERR_IO, number, "could not read the archive");
  return whole ? ERR_OK
               : err_set(info, ERR_INVALID,
                         "the zip archive is not whole: its end is missing; pack and upload it "
                         "again");
}

enum err
archive_walk_open(int fd, const struct archive_limits *limits, struct archive_walk **result,
                  struct err_info *info)
{
  struct stat status;
  *result = NULL;
  struct archive_walk *walk = calloc(1, sizeof *walk);
  if (walk == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  walk->limits = *limits;
  walk->reader = archive_read_new();
  enum err err = ERR_OK;
  if (walk->reader == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory");
  else if (fstat(fd, &status) != 0 || lseek(fd, 0, SEEK_SET) != 0)
    err = err_set_errno(info, ERR_IO, errno, "could not read the archive");
  else if ((err = check_zip_end(fd, (uint64_t) status.st_size, info)) == ERR_OK)
  {
    walk->packed_bytes = (uint64_t) status.st_size;
    archive_read_support_format_zip(walk->reader);
    archive_read_support_format_tar(walk->reader);
    archive_read_support_format_raw(walk->reader);
    archive_read_support_filter_gzip(walk->reader);
    archive_read_support_filter_xz(walk->reader);
    archive_read_support_filter_zstd(walk->reader);
    if (archive_read_open_fd(walk->reader, fd, BLOCK_BYTES) != ARCHIVE_OK)
      err = reader_failed(walk, info);
  }
  if (err != ERR_OK)
  {
    archive_walk_close(walk);
    return err;
  }
  *result = walk;
  return ERR_OK;
}

void
archive_walk_close(struct archive_walk *walk)
{
  if (walk == NULL)
    return;
  if (walk->reader != NULL)
    archive_read_free(walk->reader);
  free(walk->path);
  free(walk);
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* Code page 437 from 0x80 on: what zip programs write names in when they do not say UTF-8. */
/* It would part the u from its text. */
/* clang-format off */
static const char16_t old_letters[128] =
  u"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌"
    "▐▀" u"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
/* clang-format on */

static char *
put_letter(char *out, char16_t letter)
{
  if (letter >= 0x800)
    *out++ = (char) (0xe0 | letter >> 12);
  *out++ = (char) (letter >= 0x800 ? 0x80 | (letter >> 6 & 0x3f) : 0xc0 | letter >> 6);
  *out++ = (char) (0x80 | (letter & 0x3f));
  return out;
}

/* As UTF-8, whatever it was in: different names stay different. Control characters become blanks. To be
 * freed. */
static char *
readable_name(const char *raw)
{
  size_t length = strlen(raw);
  bool valid = text_utf8_valid(raw, length, NULL);
  char *name = malloc(3 * length + 1), *out = name;
  if (name == NULL)
    return NULL;
  for (const unsigned char *at = (const unsigned char *) raw; *at != '\0'; at++)
    if (*at < 0x20 || *at == 0x7f)
      *out++ = ' ';
    else if (*at < 0x80 || valid)
      *out++ = (char) *at;
    else
      out = put_letter(out, old_letters[*at - 0x80]);
  *out = '\0';
  return name;
}

static enum err
refuse_name(const char *name, const char *why, const char *remedy, struct err_info *info)
{
  return err_set(info, ERR_INVALID, "the archive's entry \"%.*s\" %s; %s",
                 (int) text_utf8_cut(name, strlen(name), 120), name, why, remedy);
}

/* Drops "." and empty components in place; false when ".." is among them or the name is absolute. */
static bool
clean_path(char *path)
{
  char *in = path, *out = path;
  if (*in == '/' || *in == '\\'
      || (in[0] != '\0' && in[1] == ':' && (in[2] == '\\' || in[2] == '/')))
    return false;
  while (*in != '\0')
  {
    size_t length = strcspn(in, "/");
    if (length == 2 && memcmp(in, "..", 2) == 0)
      return false;
    /* Backslashes are no separators here, but some unpackers take them for such. */
    if (length >= 3 && (strncmp(in, "..\\", 3) == 0 || memmem(in, length, "\\..", 3) != NULL))
      return false;
    bool skip = length == 0 || (length == 1 && *in == '.');
    if (!skip)
    {
      if (out != path)
        *out++ = '/';
      memmove(out, in, length);
      out += length;
    }
    in += length;
    while (*in == '/')
      in++;
  }
  *out = '\0';
  return true;
}

/* What a system left there, not a person. */
static bool
is_litter(const char *path)
{
  static const char *const names[] = {"__MACOSX", "Thumbs.db", "desktop.ini"};
  for (const char *at = path; *at != '\0';)
  {
    size_t length = strcspn(at, "/");
    if (*at == '.')
      return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
      if (strlen(names[i]) == length && strncasecmp(at, names[i], length) == 0)
        return true;
    at += length;
    at += *at == '/';
  }
  return false;
}

/* Takes the entry's name over as walk->path. */
static enum err
take_path(struct archive_walk *walk, struct archive_entry *entry, struct err_info *info)
{
  const char *raw = archive_entry_pathname_utf8(entry);
  if (raw == NULL)
    raw = archive_entry_pathname(entry);
  free(walk->path);
  walk->path = NULL;
  if (raw == NULL || *raw == '\0')
    return err_set(info, ERR_INVALID, "entry %llu of the archive has no name; pack it again",
                   (unsigned long long) walk->entries);
  if (strlen(raw) > PATH_BYTES_MAX)
    return err_set(info, ERR_INVALID, "entry %llu of the archive has a name of over %u bytes",
                   (unsigned long long) walk->entries, PATH_BYTES_MAX);
  walk->path = readable_name(raw);
  return walk->path != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
}

/* ---- entries --------------------------------------------------------------------------------------- */

static enum err
check_entry(struct archive_walk *walk, struct archive_entry *entry, bool *wanted,
            struct err_info *info)
{
  mode_t type = archive_entry_filetype(entry);
  char *shown = strdup(walk->path);
  enum err err = ERR_OK;
  *wanted = false;
  if (shown == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (!clean_path(walk->path))
    err = refuse_name(shown, "points outside of the archive",
                      "pack it again with plain relative names", info);
  else if (archive_entry_hardlink(entry) != NULL || archive_entry_symlink(entry) != NULL
           || type == AE_IFLNK)
    err = refuse_name(shown, "is a link", "pack the file itself", info);
  else if (type != AE_IFREG && type != AE_IFDIR && type != 0)
    err = refuse_name(shown, "is a device or the like", "leave it out", info);
  else if (archive_entry_is_encrypted(entry))
    err = refuse_name(shown, "is encrypted", "pack it again without a password", info);
  else
    *wanted = type != AE_IFDIR && *walk->path != '\0' && !is_litter(walk->path);
  free(shown);
  return err;
}

/* Counts what was unpacked, and ends bombs. */
static enum err
count_bytes(struct archive_walk *walk, size_t more, struct err_info *info)
{
  walk->unpacked_bytes += more;
  if (walk->unpacked_bytes > walk->limits.max_bytes)
    return err_set(info, ERR_INVALID,
                   "the archive holds more than %llu MB when unpacked; upload it in parts",
                   (unsigned long long) (walk->limits.max_bytes >> 20));
  if (walk->unpacked_bytes > RATIO_FREE_BYTES
      && walk->unpacked_bytes / RATIO_MAX > walk->packed_bytes)
    return err_set(info, ERR_INVALID,
                   "the archive unpacks to more than %u times its size, as archives made to do "
                   "harm do; pack only the data",
                   RATIO_MAX);
  return ERR_OK;
}

/* What is passed over of a compressed stream is unpacked all the same, so it is counted all the same. */
static enum err
pass_over(struct archive_walk *walk, struct err_info *info)
{
  bool streamed = walk->in_entry && archive_filter_code(walk->reader, 0) != ARCHIVE_FILTER_NONE;
  walk->in_entry = false;
  while (streamed)
  {
    const void *block;
    size_t length;
    la_int64_t offset;
    int status = archive_read_data_block(walk->reader, &block, &length, &offset);
    if (status == ARCHIVE_EOF || status == ARCHIVE_WARN || status == ARCHIVE_FAILED)
      break;
    if (status != ARCHIVE_OK && status != ARCHIVE_RETRY)
      return reader_failed(walk, info);
    enum err err = status == ARCHIVE_OK ? count_bytes(walk, length, info) : ERR_OK;
    if (err != ERR_OK)
      return err;
  }
  return ERR_OK;
}

enum err
archive_walk_next(struct archive_walk *walk, const char **path, struct err_info *info)
{
  *path = NULL;
  for (;;)
  {
    struct archive_entry *entry;
    enum err err = pass_over(walk, info);
    if (err != ERR_OK)
      return err;
    int status = archive_read_next_header(walk->reader, &entry);
    if (status == ARCHIVE_EOF)
      return ERR_OK;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
      return reader_failed(walk, info);
    if (++walk->entries > walk->limits.max_entries)
      return err_set(info, ERR_INVALID,
                     "the archive has more than %llu entries; upload it in parts",
                     (unsigned long long) walk->limits.max_entries);
    walk->in_entry = true;
    if (archive_format(walk->reader) == ARCHIVE_FORMAT_RAW)
    {
      *path = "";
      return ERR_OK;
    }
    bool wanted;
    err = take_path(walk, entry, info);
    if (err == ERR_OK)
      err = check_entry(walk, entry, &wanted, info);
    if (err != ERR_OK)
      return err;
    if (wanted)
    {
      *path = walk->path;
      return ERR_OK;
    }
  }
}

enum err
archive_walk_read(struct archive_walk *walk, size_t most, struct buf *bytes, bool *ended,
                  struct err_info *info)
{
  *ended = false;
  while (bytes->length < most)
  {
    size_t part = most - bytes->length < BLOCK_BYTES ? most - bytes->length : BLOCK_BYTES;
    if (!buf_reserve(bytes, part + 1))
      return err_set(info, ERR_MEMORY, "out of memory");
    la_ssize_t got = archive_read_data(walk->reader, bytes->data + bytes->length, part);
    if (got == ARCHIVE_RETRY)
      continue;
    if (got == ARCHIVE_WARN || got == ARCHIVE_FAILED)
    {
      const char *text = archive_error_string(walk->reader);
      return err_set(info, ERR_DIVERGED, "the archive's copy of it is damaged (%.80s)",
                     text != NULL ? text : "it can't be unpacked");
    }
    if (got < 0)
      return reader_failed(walk, info);
    if (got == 0)
    {
      *ended = true;
      break;
    }
    bytes->length += (size_t) got;
    bytes->data[bytes->length] = '\0';
    enum err err = count_bytes(walk, (size_t) got, info);
    if (err != ERR_OK)
      return err;
  }
  return ERR_OK;
}

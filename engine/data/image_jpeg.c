#include <config.h>

#include "data/image_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#define SCANS_MAX 200

struct jpeg_errors
{
  struct jpeg_error_mgr manager; /* first: libjpeg hands it back as the whole */
  jmp_buf escape;
  char text[JMSG_LENGTH_MAX];
};

struct jpeg_job
{
  struct jpeg_decompress_struct decoder; /* first, likewise */
  struct jpeg_errors errors;
  struct jpeg_progress_mgr progress;
  unsigned orientation; /* 0 until an Exif block was met */
};

static void
on_error(j_common_ptr common)
{
  struct jpeg_errors *errors = (struct jpeg_errors *) (void *) common->err;
  common->err->format_message(common, errors->text);
  longjmp(errors->escape, 1);
}

/* Warnings are damage, too: a cut-off file would otherwise come out grey from there on. */
static void
on_message(j_common_ptr common, int level)
{
  if (level < 0)
    on_error(common);
}

static void
on_output(j_common_ptr common)
{
  (void) common;
}

/* A small file can hold thousands of scans over a large image, each of which costs a pass over it. */
static void
on_progress(j_common_ptr common)
{
  const struct jpeg_decompress_struct *decoder = (j_decompress_ptr) common;
  struct jpeg_errors *errors = (struct jpeg_errors *) (void *) common->err;

  if (decoder->input_scan_number <= SCANS_MAX)
    return;
  snprintf(errors->text, sizeof errors->text, "it has more than %d scans", SCANS_MAX);
  longjmp(errors->escape, 1);
}

/* Reads an APP1 segment where it lies in the file: keeping them all, as libjpeg would, lets a file of tiny ones
 * take many times its size. The first Exif block counts; what is wrong with one is no fault of the image. */
static boolean
on_app1(j_decompress_ptr decoder)
{
  static const char name[6] = "Exif\0";
  struct jpeg_job *job = (struct jpeg_job *) (void *) decoder;
  struct jpeg_source_mgr *source = decoder->src;

  /* The file ends here: the warning of that does not come back. */
  if (source->bytes_in_buffer < 2)
    return source->fill_input_buffer(decoder);
  const unsigned char *at = source->next_input_byte;
  size_t told = (size_t) at[0] << 8 | at[1];
  size_t length = told < source->bytes_in_buffer ? told : source->bytes_in_buffer;
  if (job->orientation == 0 && length >= 2 + sizeof name && memcmp(at + 2, name, sizeof name) == 0)
    job->orientation = image_exif_orientation(at + 2 + sizeof name, length - 2 - sizeof name);
  source->next_input_byte += 2;
  source->bytes_in_buffer -= 2;
  if (told > 2)
    source->skip_input_data(decoder, (long) told - 2);
  return TRUE;
}

static void
start(struct jpeg_job *job, const void *bytes, size_t length)
{
  job->decoder.err = jpeg_std_error(&job->errors.manager);
  job->errors.manager.error_exit = on_error;
  job->errors.manager.emit_message = on_message;
  job->errors.manager.output_message = on_output;
  jpeg_create_decompress(&job->decoder);
  job->progress.progress_monitor = on_progress;
  job->decoder.progress = &job->progress;
  jpeg_set_marker_processor(&job->decoder, JPEG_APP0 + 1, on_app1);
  jpeg_mem_src(&job->decoder, bytes, (unsigned long) length);
  jpeg_read_header(&job->decoder, TRUE);
}

static void
tell(const struct jpeg_job *job, struct image_stored *stored)
{
  stored->height = stored->image.height = job->decoder.image_height;
  stored->width = stored->image.width = job->decoder.image_width;
  stored->image.channels = job->decoder.num_components == 1 ? 1 : 3;
  if (job->orientation != 0)
    stored->orientation = job->orientation;
}

/* The greatest of 8, 4, 2 and 1 that both sides can be divided by and still not be less than what is wanted. */
static unsigned
choose_divisor(const struct image_stored *stored, const struct image_want *want)
{
  bool across = image_turns_sides(stored->orientation);
  size_t height = across ? want->width : want->height;
  size_t width = across ? want->height : want->width;
  unsigned divisor = 8;
  if (height == 0 || width == 0)
    return 1;
  while (divisor > 1 && (stored->height / divisor < height || stored->width / divisor < width))
    divisor /= 2;
  return divisor;
}

static void
read_pixels(struct jpeg_job *job, struct image *image)
{
  job->decoder.out_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  job->decoder.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&job->decoder);
  while (job->decoder.output_scanline < job->decoder.output_height)
  {
    JSAMPROW row = image->pixels + job->decoder.output_scanline * image->width * image->channels;
    jpeg_read_scanlines(&job->decoder, &row, 1);
  }
  jpeg_finish_decompress(&job->decoder);
}

/* What is checked is the size in the file, which is what decoding costs. */
static enum err
make_room(struct jpeg_job *job, size_t max_pixels, const struct image_want *want,
          struct image_stored *stored, struct err_info *info)
{
  if (job->decoder.num_components == 4)
    return err_set(info, ERR_INVALID, "the JPEG is in CMYK; save it as RGB");
  enum err rc = image_check_size(&stored->image, max_pixels, info);
  if (rc != ERR_OK)
    return rc;
  job->decoder.scale_num = 1;
  job->decoder.scale_denom = choose_divisor(stored, want);
  jpeg_calc_output_dimensions(&job->decoder);
  stored->divisor = job->decoder.scale_denom;
  stored->image.height = job->decoder.output_height;
  stored->image.width = job->decoder.output_width;
  return image_allocate(&stored->image, info);
}

enum err
image_jpeg_decode(const void *bytes, size_t length, size_t max_pixels,
                  const struct image_want *want, struct image_stored *stored, struct err_info *info)
{
  struct jpeg_job job;
  enum err rc;

  memset(&job, 0, sizeof job);
  if (setjmp(job.errors.escape))
  {
    image_free(&stored->image);
    jpeg_destroy_decompress(&job.decoder);
    return err_set(info, ERR_INVALID, "the JPEG can't be read: %s", job.errors.text);
  }
  start(&job, bytes, length);
  tell(&job, stored);
  rc = make_room(&job, max_pixels, want, stored, info);
  if (rc == ERR_OK)
    read_pixels(&job, &stored->image);
  jpeg_destroy_decompress(&job.decoder);
  return rc;
}

enum err
image_jpeg_look(const void *bytes, size_t length, struct image_stored *head, struct err_info *info)
{
  struct jpeg_job job;

  memset(&job, 0, sizeof job);
  if (setjmp(job.errors.escape))
  {
    jpeg_destroy_decompress(&job.decoder);
    return err_set(info, ERR_INVALID, "the JPEG can't be read: %s", job.errors.text);
  }
  start(&job, bytes, length);
  tell(&job, head);
  jpeg_destroy_decompress(&job.decoder);
  return ERR_OK;
}

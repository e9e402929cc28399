/* Walking over UBJSON, as much of it as XGBoost writes: a cursor, no tree in memory.
 *
 * Numbers are big-endian. After a fault `failed` is set and everything returns false or 0; no read
 * leaves the bytes. Does not own them.
 */
#ifndef ATTUNE_MODEL_UBJ_H
#define ATTUNE_MODEL_UBJ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ubj
{
  const unsigned char *at, *end;
  bool failed;
};

/* Steps into an object; then ubj_next_key until it is false (which steps out again). */
bool ubj_enter_object(struct ubj *ubj);
bool ubj_next_key(struct ubj *ubj, const char **key, size_t *length);
bool ubj_key_is(const char *key, size_t length, const char *name);

/* Steps over one value of any kind. */
void ubj_skip(struct ubj *ubj);

/* An array being read: of one type with a count, or of tagged values up to a bracket. */
struct ubj_array
{
  char type;    /* 0 = tagged values */
  size_t count; /* SIZE_MAX = up to the bracket */
  size_t index;
};
bool ubj_enter_array(struct ubj *ubj, struct ubj_array *array);
/* True if there is a further element, which the caller must then read or skip. */
bool ubj_next_element(struct ubj *ubj, struct ubj_array *array);
/* The element as a number; any numeric type, true and false. */
double ubj_element_number(struct ubj *ubj, const struct ubj_array *array);

/* The value here as text, copied with a NUL; false if it is no string or too long. */
bool ubj_text(struct ubj *ubj, char *text, size_t size);

#endif

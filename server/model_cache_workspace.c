#include <config.h>

#include "server/model_cache_internal.h"

/* Each thread keeps the one it used last, so that the common prediction takes no lock for it. */
static pthread_key_t own_workspace;
static pthread_once_t own_workspace_made = PTHREAD_ONCE_INIT;
static bool has_own_workspace;

static void
free_own_workspace(void *workspace)
{
  model_workspace_free(workspace);
}

static void
make_own_workspace(void)
{
  has_own_workspace = pthread_key_create(&own_workspace, free_own_workspace) == 0;
}

struct model_workspace *
model_cache_workspace_take(struct model_cache *cache)
{
  struct model_workspace *workspace = NULL;

  pthread_once(&own_workspace_made, make_own_workspace);
  if (has_own_workspace && (workspace = pthread_getspecific(own_workspace)))
  {
    pthread_setspecific(own_workspace, NULL);
    return workspace;
  }
  pthread_mutex_lock(&cache->mutex);
  if (cache->workspace_count > 0)
    workspace = cache->workspaces[--cache->workspace_count];
  pthread_mutex_unlock(&cache->mutex);
  return workspace ? workspace : model_workspace_new();
}

void
model_cache_workspace_give(struct model_cache *cache, struct model_workspace *workspace)
{
  if (!workspace)
    return;
  if (has_own_workspace && !pthread_getspecific(own_workspace)
      && pthread_setspecific(own_workspace, workspace) == 0)
    return;
  pthread_mutex_lock(&cache->mutex);
  if (cache->workspace_count < MODEL_CACHE_WORKSPACES)
  {
    cache->workspaces[cache->workspace_count++] = workspace;
    workspace = NULL;
  }
  pthread_mutex_unlock(&cache->mutex);
  model_workspace_free(workspace);
}

import * as module from 'node:module';

/**
 * Stores the compiled code of the loaded modules for the next start, as far as Node does (from 22.10 on, see `bin`). Node itself stores
 * it when a process exits, which a server that is killed never does.
 */
export const storeCompiledCode = (): void => {
  if ('flushCompileCache' in module && typeof module.flushCompileCache === 'function')
    module.flushCompileCache();
};

#!/usr/bin/env node
/**
 * The program's first file. libuv reads the size of its pool of threads at the first call that needs
 * one, and loading a module makes such calls: so it is set here, where nothing is loaded yet. A thread
 * costs next to nothing until it is used, and on a slow disk many fsyncs wait at one time (disk/).
 */
if (process.argv[2] === 'serve') process.env.UV_THREADPOOL_SIZE ??= '256';
import('./cli.js');

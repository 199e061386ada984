#!/usr/bin/env node
/**
 * Where the program begins. CommonJS for one reason: libuv reads the size of its pool of threads when
 * the first one is wanted, and Node's loader of ES modules wants one before any line of them runs. A
 * thread costs next to nothing until it is used. Why so many: disk/threadshare.ts.
 */
if (process.argv[2] === 'serve') process.env.UV_THREADPOOL_SIZE = '256';
void import('./cli.js');

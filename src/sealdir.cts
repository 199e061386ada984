#!/usr/bin/env node
// Where the program begins, in CommonJS for one reason: libuv reads this variable when its first thread is wanted, and
// Node's loader of ES modules wants one before any line of them runs. Why 64: disk/threadshare.ts.
process.env.UV_THREADPOOL_SIZE = '64';
void import('./cli.ts');

#!/usr/bin/env node
/**
 * Where the program begins. CommonJS for one reason: libuv reads the size of its pool of threads when
 * the first one is wanted, and Node's loader of ES modules wants one before any line of them runs. A
 * thread costs next to nothing until it is used. Why so many: disk/threadshare.ts.
 */
if (process.argv[2] === 'serve') process.env.UV_THREADPOOL_SIZE = '512';
// `seal` runs once for each message that an MTA pipes through it. As one file it starts in two thirds of the
// time: the same code, put together by `npm run bundle`.
import(process.argv[2] === 'seal' ? './bundle/cli.js' : './cli.js').catch((error: unknown) => {
  // half of a new version is there: a message must wait (EX_TEMPFAIL), not bounce
  console.error(error);
  process.exitCode = 75;
});

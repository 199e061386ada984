#!/usr/bin/env node
/**
 * Where the program begins. CommonJS for one reason: libuv reads the size of its pool of threads when
 * the first one is wanted, and Node's loader of ES modules wants one before any line of them runs. A
 * thread costs next to nothing until it is used. Why so many: disk/threadshare.ts.
 */
if (process.argv[2] === 'serve') process.env.UV_THREADPOOL_SIZE = '512';
if (process.argv[2] === 'migrate') process.env.UV_THREADPOOL_SIZE = '16';
// These run once for each message that an MTA hands to them. As one file they start in two thirds of the time:
// the same code, put together by `npm run bundle`.
const isForMta = ['seal', 'deliver'].includes(process.argv[2] ?? '');
// half of a new version is there, or there is a bug: a message must wait (EX_TEMPFAIL), not bounce
const wait = (error: unknown) => {
  // the stack has paths in it, and what an MTA runs may be read by strangers
  const isForStranger = isForMta && !process.stderr.isTTY && !process.argv.includes('--verbose');
  console.error(isForStranger ? 'sealdir: local trouble, try again later' : error);
  process.exit(75);
};
if (isForMta) {
  process.once('uncaughtException', wait);
  const bundle = './bundle/cli.cjs'; // made after this was compiled
  require(bundle);
} else {
  import('./cli.js').catch(wait);
}

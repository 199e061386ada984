#!/usr/bin/env node
/**
 * Where the program begins. CommonJS for one reason: libuv reads the size of its pool of threads when
 * the first one is wanted, and Node's loader of ES modules wants one before any line of them runs. A
 * thread costs next to nothing until it is used. Why so many: disk/threadshare.ts.
 */
if (process.argv[2] === 'serve') process.env.UV_THREADPOOL_SIZE = '512';
if (process.argv[2] === 'migrate') process.env.UV_THREADPOOL_SIZE = '16';
// These run once for each message that an MTA hands to them, and load no more than they need (D27).
const isForMta = ['seal', 'deliver'].includes(process.argv[2] ?? '');
// half of a new version is there, or there is a bug: a message must wait (EX_TEMPFAIL), not bounce
const wait = (error: unknown) => {
  // the stack has paths in it, and what an MTA runs may be read by strangers
  const isForStranger = isForMta && !process.stderr.isTTY && !process.argv.includes('--verbose');
  console.error(isForStranger ? 'sealdir: local trouble, try again later' : error);
  process.exit(75);
};
if (isForMta) process.once('uncaughtException', wait);
// made of the modules after they were compiled (config/bundle.sh)
const bundle = isForMta ? './bundle/mta.cjs' : './bundle/cli.cjs';
try {
  require(bundle);
} catch (error) {
  wait(error);
}

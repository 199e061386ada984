/** Runs the check of a server that has started, in a process that nobody waits for (checkprocess.ts). */
import { fork } from 'node:child_process';
import type { Answer, Question } from './checkprocess.ts';
import type { Finding } from './finding.ts';

/** A thousand keys take some seconds; a file system that hangs takes for ever. */
const PATIENCE_MS = 60_000;

/**
 * Resolves to what was found. Rejects when the process ends without an answer, or has none after a minute;
 * `stopped` ends it before.
 */
export function checkAside(question: Question, stopped: AbortSignal): Promise<readonly Finding[]> {
  const program = new URL('./checkprocess.js', import.meta.url);
  const child = fork(program, { stdio: 'ignore', execArgv: [], serialization: 'advanced' });
  const end = () => void child.kill('SIGKILL');
  const late = setTimeout(end, PATIENCE_MS);
  late.unref();
  stopped.addEventListener('abort', end);
  child.unref();
  child.channel?.unref();
  return new Promise<readonly Finding[]>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      const why = code === null ? 'had no answer in time: does a file system hang?' : `ended with ${code}`;
      reject(new Error(`the look at keys and settings ${why}`));
    });
    child.once('message', (answer: Answer) => {
      if ('findings' in answer) resolve(answer.findings);
      else reject(new Error(answer.failure));
    });
    child.send(question);
  }).finally(() => {
    clearTimeout(late);
    stopped.removeEventListener('abort', end);
  });
}

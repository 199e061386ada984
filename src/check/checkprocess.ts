/**
 * A process of its own that looks at what a server has started with, and tells what it found. A server does
 * not look by itself: a file system that hangs would stop it, and so would a key that is dear to judge.
 */
import type { Settings } from '../config/settings.ts';
import { checkRunning } from './check.ts';
import type { Finding } from './finding.ts';

/** What it is asked, once. */
export interface Question {
  readonly settings: Settings;
  readonly file: string;
  readonly mostKeyFiles: number;
}

/** What it answers, once. */
export type Answer = { readonly findings: readonly Finding[] } | { readonly failure: string };

process.on('message', async (question: Question) => {
  const answer: Answer = await checkRunning({ ...question, now: new Date() }).then(
    (findings) => ({ findings }),
    (error: Error) => ({ failure: error.stack ?? error.message }),
  );
  process.send?.(answer, () => process.disconnect());
});

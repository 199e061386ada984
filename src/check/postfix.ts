/** Postfix, where it is installed: the settings of it that lose or change messages on their way to us. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Settings } from '../config/settings.ts';
import { type Finding, warning } from './finding.ts';

const ANSWER_MS = 10_000;

export async function checkPostfix({ lmtp }: Settings): Promise<Finding[]> {
  const values = await postconf(['message_size_limit', 'lmtp_line_length_limit']);
  if (values === undefined) return [];
  const findings: Finding[] = [];
  const limit = Number(values.message_size_limit);
  if (limit === 0 || limit > lmtp.max_message_size) {
    const what = `Postfix accepts messages of ${limit === 0 ? 'any size' : `${limit} bytes`}, we only ${lmtp.max_message_size}: the larger ones bounce`;
    const fix = `postconf -e message_size_limit=${lmtp.max_message_size}, or raise lmtp.max_message_size`;
    findings.push(warning(what, fix));
  }
  if (values.lmtp_line_length_limit !== '0') {
    const what = `Postfix folds lines over ${values.lmtp_line_length_limit} bytes on their way to us, which breaks signatures over them`;
    findings.push(warning(what, 'postconf -e lmtp_line_length_limit=0'));
  }
  return findings;
}

/** Returns undefined where there is no Postfix, or none that answers. */
async function postconf(names: string[]): Promise<Record<string, string> | undefined> {
  try {
    const { stdout } = await promisify(execFile)('postconf', names, { timeout: ANSWER_MS });
    const lines = stdout.trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split(/ *= */, 2) as [string, string]));
  } catch {
    return undefined;
  }
}

/** What is wrong with what is published, and how to mend it. */
import { visible } from '../core/visible.ts';
import { type DnsRecord, lineOf, type RecordType } from './record.ts';
import type { Answer, Resolver } from './resolver.ts';

export interface Finding {
  /** `error`: mail is lost or refused; `warning`: it may be; `note`: what somebody may have meant. */
  readonly level: 'error' | 'warning' | 'note';
  readonly what: string;
  readonly fix: string;
}

/** A fix is a sentence without its dot, or a record to publish. */
export function finding(level: Finding['level'], what: string, fix: string | DnsRecord): Finding {
  const text = typeof fix === 'string' ? fix : `publish ${lineOf(fix)}`;
  return { level, what: visible(what), fix: visible(text) };
}

/** Asks, and judges the answer. That there is none is a finding of its own. */
export async function askedFor(
  resolver: Resolver,
  name: string,
  type: RecordType,
  judge: (answer: Answer) => Finding[] | Promise<Finding[]>,
): Promise<Finding[]> {
  const answer = await resolver.ask(name, type);
  if (!('why' in answer)) return judge(answer);
  const fix = 'ask another resolver (--resolver), and look whether DNSSEC of the zone is broken';
  return [finding('error', `${type} of ${name} is not known: ${answer.why}`, fix)];
}

/** Judges the only record of text that begins as wanted: readers ignore all of them where there are two. */
export function onlyText(
  texts: readonly string[],
  isWanted: RegExp,
  none: Finding,
  judge: (text: string) => Finding[],
  several: string,
): Finding[] {
  const [text, other] = texts.filter((each) => isWanted.test(each));
  if (text === undefined) return [none];
  if (other !== undefined)
    return [finding('error', `${several}: "${text}" and "${other}"`, 'keep one of them')];
  return judge(text);
}

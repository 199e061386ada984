/** Judges the keys in files that were seen: once a day, and when something about them may have changed. */
import type { World } from '../core/world.ts';
import type { Copies } from '../keylog/copies.ts';
import { type Certificate, parseCertificates } from '../keys/certificates.ts';
import { keyStateOf } from '../keys/state.ts';
import type { JudgingRules } from '../keys/usable.ts';
import type { Looker } from './look.ts';
import type { SeenFile, SeenKey } from './seen.ts';

/** A key takes some milliseconds. */
const AT_ONCE = 50;
/** Each is judged anew after this long: another version of this program may judge in another way. */
const DAY_MS = 24 * 60 * 60 * 1000;

export interface JudgeParts {
  readonly copies: Copies;
  readonly world: Pick<World, 'now'>;
  readonly rules: JudgingRules;
  readonly looker: Looker;
}

export class Judge {
  readonly #parts: JudgeParts;
  readonly #rules: string;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
    this.#rules = JSON.stringify(parts.rules);
  }

  /** Judges a few. False if there was none to be judged. */
  async some(): Promise<boolean> {
    const { looker, world } = this.#parts;
    const now = world.now();
    const due: SeenFile[] = [];
    for (const file of looker.files) {
      if (this.#isDue(file, now)) due.push(file);
      if (due.length === AT_ONCE) break;
    }
    for (const file of due) looker.judged(await this.#judged(file));
    return due.length > 0;
  }

  async #judged(file: SeenFile): Promise<SeenFile> {
    const bytes = this.#parts.copies.get(file.digest);
    // without its copy it is taken for one whose keys are not known, until it is read again
    if (bytes === undefined) return { ...file, identity: '', digest: '', fingerprints: [], keys: undefined };
    const certificates = await parseCertificates(bytes).catch(() => []);
    const keys = await Promise.all(certificates.map((each) => this.#judge(each)));
    return { ...file, keys, rules: this.#rules };
  }

  async #judge(certificate: Certificate): Promise<SeenKey> {
    const { world, rules } = this.#parts;
    const { fingerprint } = certificate;
    const at = world.now();
    try {
      const { state, expiresAt } = await keyStateOf(certificate, new Date(at), rules);
      const [next = Number.POSITIVE_INFINITY] = (await certificate.validity()).changesAfter(at);
      const isUsable = state === 'valid' || state === 'expiring';
      return {
        fingerprint,
        state: isUsable ? 'valid' : state,
        expiresAt: expiresAt?.getTime(),
        judgedAt: at,
        judgeAgainAt: Math.min(next, at + DAY_MS),
      };
    } catch {
      const times = { expiresAt: undefined, judgedAt: at, judgeAgainAt: at + DAY_MS };
      return { fingerprint, state: 'unusable', ...times };
    }
  }

  #isDue({ fingerprints, keys, rules }: SeenFile, now: number): boolean {
    if (fingerprints.length === 0) return false;
    if (keys === undefined || rules !== this.#rules) return true;
    // what was judged while the clock ran ahead, or by a version that did not say when, counts no more
    return keys.some(({ judgedAt, judgeAgainAt }) => !(judgedAt <= now && now < judgeAgainAt));
  }
}

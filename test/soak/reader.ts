// Reads the log while the server writes it. Removes each file that the log says was stored from its mailbox,
// as the owner's mail program would. The file must be there, and some of them are opened.

import assert from 'node:assert/strict';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';
import { openSealed } from '../support/freshkey.ts';
import { messageOf, numberOf } from './clients.ts';
import type { Ledger } from './ledger.ts';
import type { SoakSite } from './site.ts';

/** One of this many files is opened. */
const OPEN_ONE_OF = 20;

export class Reader {
  readonly #site: SoakSite;
  readonly #ledger: Ledger;
  #offset = 0;
  #text = '';
  #recent = new Set<string>(); // a recipient that was named twice has one file
  files = 0;
  opened = 0;

  constructor(site: SoakSite, ledger: Ledger) {
    this.#site = site;
    this.#ledger = ledger;
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.catchUp();
      await pause(50);
    }
  }

  /** Reads what was logged since the last call. */
  async catchUp(): Promise<void> {
    for (const line of await this.#lines()) {
      const outcome = JSON.parse(line) as OutcomeLine;
      if (outcome.verdict === undefined) continue;
      this.#ledger.write(outcome);
      if (outcome.file !== undefined) await this.#take(outcome, outcome.file);
    }
  }

  async #lines(): Promise<string[]> {
    const log = await open(this.#site.logFile);
    try {
      const { size } = await log.stat();
      const bytes = Buffer.alloc(size - this.#offset);
      const { bytesRead } = await log.read(bytes, 0, bytes.length, this.#offset);
      this.#offset += bytesRead;
      const lines = (this.#text + bytes.toString('utf8', 0, bytesRead)).split('\n');
      this.#text = lines.pop() ?? '';
      return lines;
    } finally {
      await log.close();
    }
  }

  async #take({ recipient, sender }: OutcomeLine, name: string): Promise<void> {
    if (this.#recent.has(name)) return;
    this.#recent.add(name);
    if (this.#recent.size > 10_000) this.#recent = new Set([...this.#recent].slice(5000));
    const path = join(this.#site.mailbox(recipient), 'new', name);
    if (this.files++ % OPEN_ONE_OF === 0) await this.#open(path, recipient, sender);
    await rm(path); // fails if a message that was acknowledged is not there
  }

  async #open(path: string, recipient: string, sender: string): Promise<void> {
    const { good, changing } = this.#site;
    const keys = recipient === changing.address ? changing.keys : [good.get(recipient)];
    const stored = await readFile(path);
    const readings = await Promise.allSettled(
      keys.map(async (key) => (await openSealed(stored, key === undefined ? [] : [key.secret])).plaintext),
    );
    const expected = messageOf(numberOf(sender));
    assert.ok(
      readings.some((reading) => reading.status === 'fulfilled' && reading.value.equals(expected)),
      `${path} opens to what ${sender} sent`,
    );
    this.opened++;
  }
}

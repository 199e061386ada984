/** What the records are made from. */
import type { DkimKey } from './dkim.ts';
import type { ServerKey } from './serverkey.ts';

export interface MailSite {
  /** The part of the addresses after "@", as the DNS has it. */
  readonly domain: string;
  /** The name of the mail server. */
  readonly host: string;
  /** Its addresses; none if nobody has said them. */
  readonly addresses: readonly string[];
  /** What it shows to clients of TLS on port 25, and what it will show. */
  readonly keys: readonly ServerKey[];
  readonly dkim: readonly DkimKey[];
  /** The mail address that reports go to. */
  readonly reportsTo: string;
}

/** The options of the commands, but for those of `sealdir key`. */

/** What somebody has typed. */
export interface Given {
  readonly options: Readonly<
    Partial<
      Record<
        'config' | 'recipient' | 'sender' | 'detail' | 'key' | 'passphrase-file' | 'log' | 'into',
        string
      >
    > & {
      readonly json?: boolean;
      readonly original?: boolean;
      readonly agent?: boolean;
    }
  >;
  readonly operands: readonly string[];
}

export const OPTIONS = {
  config: { type: 'string', short: 'c' },
  recipient: { type: 'string', short: 'r' },
  sender: { type: 'string', short: 'f' },
  detail: { type: 'string', short: 'a' },
  key: { type: 'string', short: 'k' },
  'passphrase-file': { type: 'string' },
  verbose: { type: 'boolean' },
  json: { type: 'boolean' },
  original: { type: 'boolean' },
  log: { type: 'string' },
  into: { type: 'string' },
  agent: { type: 'boolean' },
} as const;

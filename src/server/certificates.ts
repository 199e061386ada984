/**
 * The certificates that a server shows, for as long as it runs. One process reads the files, and hands what
 * they hold to all that deliver: a worker that starts while a file is being replaced gets the last ones that
 * were good. A pair that cannot be used changes nothing, and the log says so.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../config/settings.ts';
import type { TlsFiles, TlsMaterial } from '../core/tls.ts';
import { expiriesOf, identityOf, readTls } from '../edge/certificates.ts';
import type { Log } from '../edge/log.ts';
import { tlsFilesOf } from '../site.ts';
import { startError } from './starterror.ts';

/** Between two looks at the files. */
const LOOK_EVERY_MS = 2000;

export interface CertificateOptions {
  readonly log: Log;
  /** Is told when each certificate expires, in seconds since the epoch, by the kind of its key. */
  expires(expiries: ReadonlyMap<string, number>): void;
}

/** Reads the files that the settings name. Throws StartError. */
export async function openCertificates(settings: Settings, options: CertificateOptions) {
  const certificates = new Certificates(options);
  await certificates.follow(settings).catch((error: unknown) => {
    throw startError(error);
  });
  return certificates;
}

export class Certificates {
  readonly #options: CertificateOptions;
  readonly #timer: NodeJS.Timeout;
  #files: TlsFiles | undefined;
  #seen = ''; // identity of the files when they were last read
  #doubted = ''; // their identity when they could not be used
  #served: TlsMaterial | undefined;
  #serve: (material: TlsMaterial | undefined) => void = () => {};
  #isLooking = false; // a file system may take longer than LOOK_EVERY_MS

  constructor(options: CertificateOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS).unref();
  }

  /** Calls `serve` with what is to be shown now, and whenever that changes. */
  onChange(serve: (material: TlsMaterial | undefined) => void): void {
    this.#serve = serve;
    serve(this.#served);
  }

  /** Takes over from these settings. Throws if their files cannot be used, and then changes nothing. */
  async follow(settings: Settings): Promise<void> {
    const files = tlsFilesOf(settings);
    const seen = await identityOf(files); // before they are read: a change in between is then seen later
    this.#take(await readTls(files));
    this.#files = files;
    this.#seen = seen;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #take(material: TlsMaterial | undefined): void {
    if (isDeepStrictEqual(material, this.#served)) return;
    this.#served = material;
    this.#serve(material);
    this.#options.expires(material === undefined ? new Map() : expiriesOf(material));
  }

  async #look(): Promise<void> {
    const files = this.#files;
    if (files === undefined || files.certificates.length === 0 || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const seen = await identityOf(files);
      if (seen !== this.#seen && this.#files === files) await this.#readAgain(files, seen);
    } finally {
      this.#isLooking = false;
    }
  }

  /** Whoever writes several files needs a moment: what cannot be used is a fault when it is still there. */
  async #readAgain(files: TlsFiles, seen: string): Promise<void> {
    const { log } = this.#options;
    try {
      const material = await readTls(files);
      if (this.#files !== files) return; // a reload was faster
      this.#take(material);
      this.#seen = seen;
      log.info('certificates reloaded', { files: files.certificates });
    } catch (error) {
      if (this.#doubted !== seen) {
        this.#doubted = seen;
        return;
      }
      this.#seen = seen;
      log.fault('new certificates cannot be used, the old ones stay', error);
    }
  }
}

/**
 * The settings -> the recipient source they name. A source and its package are loaded when they are first
 * asked, and only if they are wanted.
 */
import type { SameAddress } from '../core/address.ts';
import type { Listener } from '../core/listener.ts';
import type { World } from '../core/world.ts';
import { CachedSource } from './cached.ts';
import { DOCKER_MAILSERVER, type PresetName } from './presets.ts';
import type { Recipient, RecipientSource } from './source.ts';

/** As in the configuration; times are milliseconds, and '' stands for what is not set. */
export interface SourceSettings {
  readonly source: 'passwd' | 'accounts' | 'sql' | 'ldap' | 'socketmap' | 'http';
  readonly preset: PresetName;
  readonly roots: readonly string[];
  readonly cache: number;
  readonly negative_cache: number;
  readonly timeout: number;
  readonly accounts: { readonly file: string; readonly quotas: string };
  readonly passwd: { readonly domains: readonly string[]; readonly min_uid: number };
  readonly sql: {
    readonly url: string;
    readonly password_file: string;
    readonly query: string;
    readonly connections: number;
  };
  readonly ldap: {
    readonly url: string;
    readonly starttls: boolean;
    readonly ca_file: string;
    readonly bind_dn: string;
    readonly password_file: string;
    readonly base: string;
    readonly filter: string;
    readonly attributes: readonly string[];
  };
  readonly socketmap: { readonly address: Listener | undefined; readonly map: string };
  readonly http: { readonly url: string; readonly token_file: string };
}

/** Look-ups at one time over a socketmap. */
const SOCKETMAP_CONNECTIONS = 4;

/** Returns the source with its answers cached. */
export function openSource(settings: SourceSettings, same: SameAddress, world: World): RecipientSource {
  return new CachedSource(new LazySource(() => loadSource(settings, same)), {
    world,
    foundMs: settings.cache,
    noneMs: settings.negative_cache,
    waitMs: settings.timeout,
  });
}

class LazySource implements RecipientSource {
  readonly #load: () => Promise<RecipientSource>;
  #loading: Promise<RecipientSource> | undefined;

  constructor(load: () => Promise<RecipientSource>) {
    this.#load = load;
  }

  async find(address: string): Promise<Recipient | undefined> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined; // what is missing may come
      throw error;
    });
    return (await this.#loading).find(address);
  }

  async close(): Promise<void> {
    await (await this.#loading?.catch(() => undefined))?.close?.();
  }
}

/** Loads a source and its package, and asks nothing yet. Throws, with a sentence, if it cannot be used. */
export async function loadSource(settings: SourceSettings, same: SameAddress): Promise<RecipientSource> {
  const waitMs = settings.timeout;
  switch (settings.source) {
    case 'sql': {
      const { url, password_file: passwordFile, query, connections } = settings.sql;
      const { openSql } = await import('./sql.ts');
      return openSql({ url, passwordFile, query, preset: settings.preset, connections, waitMs }, same);
    }
    case 'ldap': {
      const { ca_file: caFile, bind_dn: bindDn, password_file: passwordFile, ...rest } = settings.ldap;
      const { LdapSource } = await import('./ldap.ts');
      return LdapSource.open({ ...rest, caFile, bindDn, passwordFile, waitMs }, same);
    }
    case 'socketmap': {
      const { address, map } = settings.socketmap;
      if (address === undefined) throw new Error('recipients.socketmap.address is not set');
      const { SocketmapSource } = await import('./socketmap.ts');
      return new SocketmapSource({ address, map, connections: SOCKETMAP_CONNECTIONS, waitMs }, same);
    }
    case 'http': {
      const { HttpSource } = await import('./http.ts');
      return new HttpSource({ url: settings.http.url, tokenFile: settings.http.token_file, waitMs }, same);
    }
    case 'accounts': {
      const { AccountsFile } = await import('./accounts.ts');
      const { file, quotas } = settings.accounts;
      const usual = settings.preset === 'docker-mailserver' ? DOCKER_MAILSERVER : settings.accounts;
      return new AccountsFile({ file: file || usual.file, quotas: quotas || usual.quotas }, same);
    }
    case 'passwd': {
      const { PasswdSource } = await import('./passwd.ts');
      const { domains, min_uid: minUid } = settings.passwd;
      return PasswdSource.open({
        domains: domains.length === 0 ? [same.defaultDomain] : domains,
        minUid,
        mailboxes: settings.roots.length > 0 ? 'home' : 'template',
        waitMs,
      });
    }
    default:
      return settings.source satisfies never;
  }
}

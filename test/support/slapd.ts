// A private OpenLDAP on a port of 127.0.0.1. Its entries are under dc=example,dc=com; cn=admin there has the
// password `pass`. Who has not bound may read the entry above the people and none of the people: a search for
// one succeeds and finds nobody, which is how many directories are set up.

import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort } from './port.ts';
import { run, start } from './process.ts';

export interface Slapd {
  readonly port: number;
  /** The port of LDAP over TLS. */
  readonly tlsPort: number;
  /** The certificate of the server, which is its own authority. */
  readonly caFile: string;
  readonly pid: number;
  readonly passwordFile: string;
  /** Adds entries in LDIF. */
  add(ldif: string): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const ADMIN = 'cn=admin,dc=example,dc=com';
export const PEOPLE = 'ou=people,dc=example,dc=com';
const SCHEMAS = ['core', 'cosine', 'inetorgperson', 'nis'];
/** Attributes of mail servers, as several panels have them. */
const OWN_SCHEMA = `
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'mailQuota' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'pgpKey' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'mailUser' SUP top AUXILIARY MAY ( mailQuota $ pgpKey ) )
`;

export async function startSlapd(): Promise<Slapd> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-ldap-'));
  const port = await freePort();
  const tlsPort = await freePort();
  const url = `ldap://127.0.0.1:${port}`;
  const config = join(directory, 'slapd.conf');
  const passwordFile = join(directory, 'password');
  await mkdir(join(directory, 'data'));
  const caFile = join(directory, 'certificate.pem');
  await makeCertificate(caFile, join(directory, 'key.pem'));
  await writeFile(join(directory, 'own.schema'), OWN_SCHEMA);
  await writeFile(passwordFile, 'pass\n');
  await writeFile(config, slapdConf(directory));
  const begin = () =>
    start('slapd', ['-f', config, '-h', `${url} ldaps://127.0.0.1:${tlsPort}`, '-d', '0'], {
      ready: () => accepts(port),
    });
  let running = await begin();
  const add = async (ldif: string) => {
    const { code, stderr } = await run('ldapadd', ['-x', '-H', url, '-D', ADMIN, '-w', 'pass'], {
      stdin: ldif,
    });
    if (code !== 0) throw new Error(stderr);
  };
  await add(`dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ${PEOPLE}
objectClass: organizationalUnit
ou: people
`);
  return {
    port,
    tlsPort,
    caFile,
    get pid() {
      return running.pid;
    },
    passwordFile,
    add,
    async kill() {
      running.signal('SIGKILL');
      await running.stop();
    },
    async restart() {
      running = await begin();
    },
    async stop() {
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function makeCertificate(certificate: string, key: string): Promise<void> {
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...names];
  const { code, stderr } = await run('openssl', [...args, '-keyout', key, '-out', certificate, '-days', '2']);
  if (code !== 0) throw new Error(stderr);
}

/** Returns an entry of a user in LDIF. */
export function person(uid: string, mail: string, more: readonly string[] = []): string {
  return [
    `dn: uid=${uid},${PEOPLE}`,
    'objectClass: inetOrgPerson',
    'objectClass: mailUser',
    `uid: ${uid}`,
    `cn: ${uid}`,
    `sn: ${uid}`,
    `mail: ${mail}`,
    ...more,
    '',
    '',
  ].join('\n');
}

function slapdConf(directory: string): string {
  return `${SCHEMAS.map((name) => `include /etc/ldap/schema/${name}.schema`).join('\n')}
include ${join(directory, 'own.schema')}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${join(directory, 'pid')}
TLSCertificateFile ${join(directory, 'certificate.pem')}
TLSCertificateKeyFile ${join(directory, 'key.pem')}
database mdb
maxsize 104857600
suffix "dc=example,dc=com"
rootdn "${ADMIN}"
rootpw pass
directory ${join(directory, 'data')}
access to dn.base="${PEOPLE}" by * read
access to * by users read by anonymous auth
`;
}

export interface Gate {
  readonly server: Server;
  readonly port: number;
  readonly open: ReadonlySet<Socket>;
  readonly accepted: number;
  lets: 'all' | 'the answer to StartTLS';
}

/** Stands before a server, and lets through all that the server says or its first words. */
export async function openGate(port: number): Promise<Gate> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const { lets } = gate;
    gate.accepted++;
    open.add(near);
    near.pipe(far).on('error', () => near.destroy());
    near.on('error', () => far.destroy()).on('close', () => open.delete(near) && far.destroy());
    if (lets === 'all') far.pipe(near);
    else far.once('data', (words) => near.write(words));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gate = {
    server,
    port: (server.address() as AddressInfo).port,
    open,
    accepted: 0,
    lets: 'all' as Gate['lets'],
  };
  return gate;
}

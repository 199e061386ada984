// Writes the list of everything that the Debian package carries, as CycloneDX 1.5 in JSON, from the locks:
//
//   node sbom.js APP NODE VERSION
//
// APP has package-lock.json and node_modules; NODE is the package with Node.
// The time is SOURCE_DATE_EPOCH, so that the same commit has the same list.

import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type Bundled, bundledIn, type Lock, readJson } from './bundled.ts';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

/** `integrity` is npm's: "sha512-" and base64. */
function component({ name, version, integrity, license }: Omit<Bundled, 'path'>) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const [algorithm = '', digest = ''] = integrity.split('-', 2);
  const alg = algorithm.replace('sha', 'SHA-');
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    hashes: [{ alg, content: Buffer.from(digest, 'base64').toString('hex') }],
    licenses: [/ /.test(license) ? { expression: license } : { license: { id: license } }],
  };
}

/** Returns the package with Node, from the lock that it was installed with. */
function nodeIn(directory: string): Omit<Bundled, 'path'> {
  const { name } = readJson<{ name: string }>(join(directory, 'package.json'));
  const root = dirname(dirname(directory));
  const entry = readJson<Lock>(join(root, 'package-lock.json')).packages[`node_modules/${name}`];
  if (entry?.integrity === undefined) throw new Error(`${name} is not in the lock of Node`);
  return { name, version: entry.version, integrity: entry.integrity, license: 'MIT' };
}

export function sbom(app: string, node: string, version: string, seconds: number): string {
  const components = [...bundledIn(app), nodeIn(node)]
    .map(component)
    .filter((each, n, all) => all.findIndex((other) => other.purl === each.purl) === n);
  const sealdir: Component & { type: string } = {
    type: 'application',
    'bom-ref': `pkg:deb/sealdir@${version}`,
    name: 'sealdir',
    version,
    purl: `pkg:deb/sealdir@${version}`,
  };
  const content = { components, sealdir };
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  const uuid = digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-5$3-8$4-$5');
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    metadata: { timestamp: new Date(seconds * 1000).toISOString(), component: sealdir },
    components,
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

if (process.argv[1] === import.meta.filename) {
  const [, , app = '', node = '', version = ''] = process.argv;
  process.stdout.write(sbom(app, node, version, Number(process.env.SOURCE_DATE_EPOCH)));
}

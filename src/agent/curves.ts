/**
 * The numbers of the curves that OpenPGP keys for ECDH have, as libgcrypt hashes them for a keygrip: without
 * leading zeros (SEC 2, RFC 5639; RFC 7748 for Curve25519).
 */
import { createECDH } from 'node:crypto';

export interface Curve {
  readonly p: string;
  readonly a: string;
  readonly b: string;
  /** Returns the base point, in hex as all of them: a 04, and both coordinates. */
  g(): string;
  readonly n: string;
}

/** By length octet and OID (RFC 9580 §9.2), in hex. */
export const CURVES: Readonly<Record<string, Curve>> = {
  // Curve25519; libgcrypt has (A - 2) / 4 for a
  '0a2b060104019755010501': {
    p: '7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed',
    a: '01db41',
    b: '01',
    g: () => `04${'9'.padStart(64, '0')}20ae19a1b8a086b4e01edd2c7748d14c923d4d7e6d7c61b229e9c5a27eced3d9`,
    n: '1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed',
  },
  // prime256v1
  '082a8648ce3d030107': {
    p: 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff',
    a: 'ffffffff00000001000000000000000000000000fffffffffffffffffffffffc',
    b: '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b',
    g: () => generatorOf('prime256v1'),
    n: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  },
  // secp384r1
  '052b81040022': {
    p:
      'fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ff' + 'ffffff',
    a:
      'fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ff' + 'fffffc',
    b:
      'b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3' + 'ec2aef',
    g: () => generatorOf('secp384r1'),
    n:
      'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196acc' + 'c52973',
  },
  // secp521r1
  '052b81040023': {
    p:
      '01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff' +
      'ffffffffffffffffffffffffffffffffffffffffff',
    a:
      '01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff' +
      'fffffffffffffffffffffffffffffffffffffffffc',
    b:
      '51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd' +
      '3bb1bf073573df883d2c34f1ef451fd46b503f00',
    g: () => generatorOf('secp521r1'),
    n:
      '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc01' +
      '48f709a5d03bb5c9b8899c47aebb6fb71e91386409',
  },
  // brainpoolP256r1
  '092b2403030208010107': {
    p: 'a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377',
    a: '7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9',
    b: '26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6',
    g: () => generatorOf('brainpoolP256r1'),
    n: 'a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7',
  },
  // brainpoolP384r1
  '092b240303020801010b': {
    p:
      '8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a718747001331' + '07ec53',
    a:
      '7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22' + 'ce2826',
    b:
      '04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa' + '504c11',
    g: () => generatorOf('brainpoolP384r1'),
    n:
      '8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9' + '046565',
  },
  // brainpoolP512r1
  '092b240303020801010d': {
    p:
      'aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6' +
      'a380e62881ff2f2d82c68528aa6056583a48f3',
    a:
      '7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b' +
      '9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca',
    b:
      '3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc' +
      '083e67984050b75ebae5dd2809bd638016f723',
    g: () => generatorOf('brainpoolP512r1'),
    n:
      'aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197f' +
      'ac10471db1d381085ddaddb58796829ca90069',
  },
  // secp256k1
  '052b8104000a': {
    p: 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f',
    a: '',
    b: '07',
    g: () => generatorOf('secp256k1'),
    n: 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141',
  },
};

/** The base point is the public key of the secret key 1. */
function generatorOf(curve: string): string {
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(Buffer.from([1]));
  return ecdh.getPublicKey('hex');
}

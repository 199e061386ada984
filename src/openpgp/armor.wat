;; Base64 in lines, and CRC24, for armorloop.ts: the one loop of a delivery for which JavaScript is too slow.
;; Memory: the tables of the CRC at 0 (16 x 256 x 4 bytes, filled by armorloop.ts), then the input, then the
;; output, at offsets that armorloop.ts chooses. Nothing here allocates memory or branches on data.
(module
  (memory (export "memory") 4)

  ;; Encodes `lines` lines of 48 bytes at `in` as 64 characters and LF each at `out`.
  ;; Reads up to 4 bytes beyond the last line.
  (func (export "encode") (param $in i32) (param $out i32) (param $lines i32)
    (local $step i32)
    (local $v v128)
    (block $done
      (loop $line
        (br_if $done (i32.eqz (local.get $lines)))
        (local.set $step (i32.const 4))
        (loop $twelve
          ;; loads 12 bytes; each 3 of them fill a lane as b1 b0 b2 b1
          (local.set $v
            (i8x16.swizzle (v128.load (local.get $in))
              (v128.const i8x16 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10)))
          ;; moves each of the four groups of 6 bits to a byte of its own: the even ones down from the top of
          ;; their half of the lane, the odd ones up to its upper byte; the products drop the bits above
          (local.set $v
            (v128.or
              (i16x8.shr_u (i16x8.mul (local.get $v) (v128.const i16x8 1 16 1 16 1 16 1 16)) (i32.const 10))
              (v128.and
                (i16x8.mul (local.get $v) (v128.const i16x8 16 256 16 256 16 256 16 256))
                (v128.const i16x8 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00))))
          ;; adds the offset to ASCII: row 0 for 0..25, 1 for 26..51, 2..11 for 52..61, 12 for 62, 13 for 63
          (v128.store (local.get $out)
            (i8x16.add (local.get $v)
              (i8x16.swizzle
                (v128.const i8x16 65 71 -4 -4 -4 -4 -4 -4 -4 -4 -4 -4 -19 -16 0 0)
                (i8x16.sub
                  (i8x16.sub_sat_u (local.get $v) (v128.const i8x16 51 51 51 51 51 51 51 51 51 51 51 51 51 51 51 51))
                  (i8x16.gt_s (local.get $v) (v128.const i8x16 25 25 25 25 25 25 25 25 25 25 25 25 25 25 25 25))))))
          (local.set $in (i32.add (local.get $in) (i32.const 12)))
          (local.set $out (i32.add (local.get $out) (i32.const 16)))
          (br_if $twelve (local.tee $step (i32.sub (local.get $step) (i32.const 1)))))
        (i32.store8 (local.get $out) (i32.const 10))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (local.set $lines (i32.sub (local.get $lines) (i32.const 1)))
        (br $line))))

  ;; Continues the CRC24 `crc` over `length` bytes at `in`, a multiple of 16 and not 0. Overwrites the input.
  ;; A sum has its most significant byte in the lowest place, also in the tables, so that it can be added to
  ;; the input as it is.
  ;; First, all but the last 54 words of 16 bytes are folded into later words: the polynomial of the CRC
  ;; divides x^54 + x^45 + x^43 + x^30 + x^6 + 1, and therefore also the same sum with x^128 in place of x, so
  ;; a word may be removed if it is added to the 9th, 11th, 24th, 48th and 54th word after it. The words that
  ;; remain have the same remainder.
  ;; They then go through the tables, sixteen bytes a step: table n has the remainder of a byte that n more
  ;; bytes follow.
  (func (export "crc24") (param $crc i32) (param $in i32) (param $length i32) (result i32)
    (local $end i32)
    (local $a i32)
    (local $b i32)
    (local $c i32)
    (local $d i32)
    (local $v v128)
    (local.set $end (i32.add (local.get $in) (local.get $length)))
    (i32.store (local.get $in) (i32.xor (i32.load (local.get $in)) (local.get $crc)))
    (local.set $crc (i32.const 0))
    (block $folded
      (loop $word
        (br_if $folded (i32.ge_s (local.get $in) (i32.sub (local.get $end) (i32.const 864))))
        (local.set $v (v128.load (local.get $in)))
        (v128.store offset=144 (local.get $in) (v128.xor (local.get $v) (v128.load offset=144 (local.get $in))))
        (v128.store offset=176 (local.get $in) (v128.xor (local.get $v) (v128.load offset=176 (local.get $in))))
        (v128.store offset=384 (local.get $in) (v128.xor (local.get $v) (v128.load offset=384 (local.get $in))))
        (v128.store offset=768 (local.get $in) (v128.xor (local.get $v) (v128.load offset=768 (local.get $in))))
        (v128.store offset=864 (local.get $in) (v128.xor (local.get $v) (v128.load offset=864 (local.get $in))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $word)))
    (block $done
      (loop $sixteen
        (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
        (local.set $a (i32.xor (i32.load (local.get $in)) (local.get $crc)))
        (local.set $b (i32.load offset=4 (local.get $in)))
        (local.set $c (i32.load offset=8 (local.get $in)))
        (local.set $d (i32.load offset=12 (local.get $in)))
        (local.set $crc
          (i32.xor
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=15360 (i32.and (i32.shl (local.get $a) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=14336 (i32.and (i32.shr_u (local.get $a) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=13312 (i32.and (i32.shr_u (local.get $a) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=12288 (i32.and (i32.shr_u (local.get $a) (i32.const 22)) (i32.const 0x3fc)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=11264 (i32.and (i32.shl (local.get $b) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=10240 (i32.and (i32.shr_u (local.get $b) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=9216 (i32.and (i32.shr_u (local.get $b) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=8192 (i32.and (i32.shr_u (local.get $b) (i32.const 22)) (i32.const 0x3fc))))))
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=7168 (i32.and (i32.shl (local.get $c) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=6144 (i32.and (i32.shr_u (local.get $c) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=5120 (i32.and (i32.shr_u (local.get $c) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=4096 (i32.and (i32.shr_u (local.get $c) (i32.const 22)) (i32.const 0x3fc)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=3072 (i32.and (i32.shl (local.get $d) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=2048 (i32.and (i32.shr_u (local.get $d) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=1024 (i32.and (i32.shr_u (local.get $d) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=0 (i32.and (i32.shr_u (local.get $d) (i32.const 22)) (i32.const 0x3fc))))))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $sixteen)))
    (local.get $crc)))

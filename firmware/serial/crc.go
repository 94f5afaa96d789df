package serial

// crc16 is CRC-16/XMODEM, of XMODEM and of SMP over a console: polynomial
// 0x1021, start 0, not reflected. The CRC of "123456789" is 0x31C3.
func crc16(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// crcMPEG2 is CRC-32/MPEG-2, of the block-read protocol: polynomial 0x04C11DB7,
// start all ones, not reflected. The CRC of "123456789" is 0x0376E6E7.
func crcMPEG2(crc uint32, b []byte) uint32 {
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

#!/usr/bin/env bash
# Makes the recordings in this directory from ffmpeg's own test sources.
# Needs ffmpeg with libvpx, libopus, libx264 and libaom, and the DejaVu fonts (Debian: apt-get install ffmpeg fonts-dejavu-core).
set -euo pipefail
cd "$(dirname "$0")"
ff=(ffmpeg -hide_banner -loglevel error -y)
exact=(-map_metadata -1 -fflags +bitexact -flags +bitexact)

# 5 s of a moving test card with a running clock, 320x240, 30 frames/s, a key frame each second.
"${ff[@]}" -f lavfi -i 'testsrc2=size=320x240:rate=30:duration=5' \
  -c:v libvpx -b:v 350k -g 30 -deadline good -cpu-used 2 -auto-alt-ref 0 -error-resilient 1 -threads 1 \
  "${exact[@]}" video.ivf

# 5 s of a tone that sweeps through three notes, 48 kHz stereo, 20 ms Opus frames.
"${ff[@]}" -f lavfi -i 'aevalsrc=0.3*sin(2*PI*(440+110*floor(mod(t\,3)))*t)|0.3*sin(2*PI*330*t):s=48000:d=5' \
  -c:a libopus -b:a 48k -frame_duration 20 -application audio \
  "${exact[@]}" audio.ogg

# 1 s of H.264 constrained baseline as an Annex B byte stream, parameter sets before each key frame.
"${ff[@]}" -f lavfi -i 'testsrc2=size=320x240:rate=30:duration=1' \
  -c:v libx264 -profile:v baseline -pix_fmt yuv420p -preset medium -b:v 350k -g 15 -bf 0 -threads 1 \
  -x264-params 'repeat-headers=1:slices=1' -bsf:v h264_mp4toannexb "${exact[@]}" -f h264 video.h264

# What browser_call shows: 10 s of a moving picture with a clock, a key frame each second.
clock="gradients=size=640x360:rate=25:duration=10:speed=0.012:c0=0x0b1f3a:c1=0x1d6f8f:c2=0x5b2a86:c3=0xd1495b:x0=0:y0=0:x1=640:y1=360:nb_colors=4:seed=7,\
drawtext=font=DejaVu Sans Mono:text='%{pts\\:hms}':fontsize=72:fontcolor=white:x=(w-tw)/2-22:y=(h-th)/2-14,\
drawtext=font=DejaVu Sans:text='sent by Rust':fontsize=26:fontcolor=white@0.85:x=(w-tw)/2:y=h/2+44,\
drawbox=x=40:y=300:w=560:h=6:color=white@0.25:t=fill"
"${ff[@]}" -f lavfi -i "$clock" -f lavfi -i 'color=white:size=36x14:rate=25:duration=10' \
  -filter_complex "[0][1]overlay=x='40+(560-36)*(0.5-0.5*cos(2*PI*t/5))':y=296" \
  -c:v libvpx -b:v 450k -g 25 -deadline good -cpu-used 2 -auto-alt-ref 0 -error-resilient 1 -threads 1 -pix_fmt yuv420p \
  "${exact[@]}" clock.ivf

# The test card again in the other codecs, 2 s, a key frame each second.
card='testsrc2=size=320x240:rate=30:duration=2'
"${ff[@]}" -f lavfi -i "$card" -c:v libvpx-vp9 -b:v 200k -g 30 -deadline good -cpu-used 4 -auto-alt-ref 0 \
  -lag-in-frames 0 -error-resilient 1 -threads 1 -pix_fmt yuv420p "${exact[@]}" video.vp9.ivf
"${ff[@]}" -f lavfi -i "$card" -c:v libaom-av1 -b:v 200k -g 30 -usage realtime -cpu-used 8 -lag-in-frames 0 \
  -threads 1 -pix_fmt yuv420p "${exact[@]}" video.av1.ivf

# 2 s of a tone in G.722: 64 kbit/s, 160 bytes each 20 ms.
"${ff[@]}" -f lavfi -i 'sine=frequency=440:sample_rate=16000:duration=2' -c:a g722 -f g722 tone.g722

ls -l *.ivf audio.ogg video.h264 tone.g722

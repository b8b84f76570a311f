"""pycaffe's package of messages: `from caffelike.proto import caffe_pb2`."""
